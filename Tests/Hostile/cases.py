"""Malformed files and options, each with the exit code and a piece of the sentence that it must give."""

import gzip
import json
import os
import pathlib
import sqlite3

ROOT = pathlib.Path(__file__).resolve().parents[2]
HEAD = "arrival_s,input_tokens,output_tokens\n"
SAMPLE = ROOT / "Tests/CalibrationTests/Sample"
# The application_id of our databases, Schema.applicationID.
OURS = 0x6953696D


def study(grid, top=""):
    return f"study: s\n{top}options: {{gpus-per-node: 1, trace: t.csv}}\ngrids:\n  - grid: g\n    contenders: [vllm-m]\n{grid}"


# Stands for 9^9 values.
ALIASES = "a: &a [1, 1, 1, 1, 1, 1, 1, 1, 1]\n" + "".join(
    f"{new}: &{new} [{', '.join([f'*{old}'] * 9)}]\n" for old, new in zip("abcdefgh", "bcdefghi"))

HUNDRED = list(range(1, 101))

# In the folder of every case.
COMMON = {
    "t.csv": HEAD + "0,100,10\n1,200,20\n2,50,5\n",
    "many.csv": HEAD + "".join(f"{i / 10},{100 + i * 37 % 900},{20 + i * 13 % 100}\n" for i in range(120)),
    "g.yaml": "requests: 20\narrivals: {rate: 2}\nprompt: 100\noutput: {kind: uniform, min: 1, max: 50}\n",
    "s.yaml": study("    axes: {rate-scale: [1, 2]}\n"),
    "data/nvlink.csv": (SAMPLE / "nvlink.csv").read_bytes(),
    "r.json": json.dumps({
        "model_id": "llama2-7b", "request_rate": 2, "max_concurrency": None, "duration": 1.5, "completed": 3, "input_lens": [100, 200, 50],
        "output_lens": [4, 3, 1], "ttfts": [0.1, 0.2, 0.1], "itls": [[0.02, 0.02, 0.03], [0.02, 0.02], []], "start_times": [7.0, 7.5, 8.0]}),
}
# A sweep of many short runs.
LENGTHY = study("    axes: {rate-scale: [" + ", ".join(str(1 + i / 64) for i in range(20)) + "]}\n").replace("t.csv", "many.csv")

CASES = []


def add(group, name, arguments, files, code, says=""):
    CASES.append((group, name, arguments, files, code, says))


RUN = ["run", "--trace", "t.csv", "--policy", "vllm-m", "--gpus-per-node", "1", "--quiet"]

# Traces

for name, content, code, says in [
    ("nothing", "", 65, "bad.csv:1: "),
    ("a header alone", HEAD, 65, ""),
    ("blank lines", "\n\n\n", 65, ""),
    ("no arrival", HEAD + "nan,10,1\n", 65, "bad.csv:2: column arrival_s: "),
    ("an infinite arrival", HEAD + "inf,10,1\n", 65, "bad.csv:2: column arrival_s: "),
    ("a negative arrival", HEAD + "-1,10,1\n", 65, "bad.csv:2: column arrival_s: "),
    ("an arrival beyond all numbers", HEAD + "1e400,10,1\n", 65, "bad.csv:2: column arrival_s: "),
    ("an arrival of a thousand digits", HEAD + "9" * 1000 + ",10,1\n", 65, "bad.csv:2: column arrival_s: "),
    ("a hexadecimal arrival", HEAD + "0x10,10,1\n", 65, "bad.csv:2: column arrival_s: "),
    ("a span of years", HEAD + "0,10,1\n99999999,10,1\n", 65, "bad.csv:3: "),
    ("arrivals that fall", HEAD + "0,10,1\n2,10,1\n1,10,1\n", 65, "bad.csv:4: "),
    ("no prompt", HEAD + "0,0,1\n", 65, "bad.csv:2: column input_tokens: "),
    ("no output", HEAD + "0,10,0\n", 65, "bad.csv:2: column output_tokens: "),
    ("a negative prompt", HEAD + "0,-10,1\n", 65, "bad.csv:2: column input_tokens: "),
    ("half a token", HEAD + "0,10.5,1\n", 65, "bad.csv:2: column input_tokens: "),
    ("tokens that are no number", HEAD + "0,nan,1\n", 65, "bad.csv:2: column input_tokens: "),
    ("infinitely many tokens", HEAD + "0,inf,1\n", 65, "bad.csv:2: column input_tokens: "),
    ("tokens beyond Int64", HEAD + "0,99999999999999999999,1\n", 65, "bad.csv:2: column input_tokens: "),
    ("tokens beyond any context", HEAD + "0,4611686018427387904,1\n", 65, "bad.csv:2: column input_tokens: "),
    ("an empty field", HEAD + "0,,1\n", 65, "bad.csv:2: column input_tokens: "),
    ("a field too few", HEAD + "0,10\n", 65, "bad.csv:2: "),
    ("a field too many", HEAD + "0,10,1,1\n", 65, "bad.csv:2: "),
    ("a trailing comma", HEAD + "0,10,1,\n", 65, "bad.csv:2: "),
    ("an open quote", HEAD + '0,"10,1\n', 65, "bad.csv:2: "),
    ("semicolons", HEAD.replace(",", ";") + "0;10;1\n", 65, "bad.csv:1: "),
    ("another header", "Arrived,Prefill,Decode\n0,1,2\n", 65,
     "expected arrived_at,num_prefill_tokens,num_decode_tokens (format vidur) or arrival_s,input_tokens,output_tokens (format plain), or what another format asks for: azure-2023, "),
    ("NUL bytes", HEAD + "0,1\x000,1\n", 65, "bad.csv:2: column input_tokens: "),
    ("NUL bytes alone", b"\0" * 5000, 65, ""),
    ("UTF-16", (HEAD + "0,10,1\n").encode("utf-16"), 65, "bad.csv:1: "),
    ("UTF-16 without a mark", (HEAD + "0,10,1\n").encode("utf-16-be"), 65, "bad.csv:1: "),
    ("Latin-1", "arrival_s,input_tokens,output_tok\xe9ns\n0,1,1\n".encode("latin-1"), 65, ""),
    ("a column twice", "arrival_s,input_tokens,input_tokens,output_tokens\n0,1,1,1\n", 65, ""),
    ("a turn and no session", HEAD.strip() + ",turn\n0,10,1,\n1,10,1,2\n", 65, "bad.csv:3: column turn: found \"2\" and no session"),
    ("a think time and no session", HEAD.strip() + ",session,think_s\n0,10,1,1,\n1,10,1,,5\n", 65,
     "bad.csv:3: column think_s: found \"5\" and no session"),
    ("turns that fall", HEAD.strip() + ",session,turn\n0,10,1,4,2\n1,10,1,5,1\n2,10,1,4,1\n", 65,
     "bad.csv:4: column turn: found turn 1 of session 4 after turn 2, expected turns that rise"),
    ("a turn twice", HEAD.strip() + ",session,turn\n0,10,1,4,1\n2,10,1,4,1\n", 65, "bad.csv:3: column turn: found turn 1 of session 4 again"),
    ("a unit of time", HEAD.strip() + ",request_ms\n0,10,1,5\n", 65, "bad.csv:1: column request_ms: found a column that is not read"),
    ("a line of 5 MB", HEAD + "0," + "1" * 5_000_000 + ",1\n", 65, "bad.csv:2: "),
    ("a quote of 5 MB", HEAD + '0,"' + "1\n" * 2_500_000, 65, ""),
]:
    add("trace", name, ["trace", "check", "bad.csv"], {"bad.csv": content}, code, says)
    if len(content) < 1000:
        add("run of a trace", name, [*RUN, "--trace", "bad.csv"], {"bad.csv": content}, code, says)

PLAIN = '{"arrival_s": 0, "input_tokens": 10, "output_tokens": 1}'
for name, content, code, says in [
    ("an array", "[1, 2]\n", 65, "bad.jsonl:1: "),
    ("a number", "7\n", 65, "bad.jsonl:1: "),
    ("an open object", '{"arrival_s": 0, "input_tokens": 10\n', 65, "bad.jsonl:1: "),
    ("a trailing comma", PLAIN[:-1] + ",}\n", 65, "bad.jsonl:1: "),
    ("a key twice", PLAIN[:-1] + ', "input_tokens": 20}\n', 65, "bad.jsonl:1: "),
    ("NaN", PLAIN.replace("10", "NaN") + "\n", 65, "bad.jsonl:1: "),
    ("a key too few", '{"arrival_s": 0, "input_tokens": 10}\n', 65, "bad.jsonl:1: "),
    ("null", PLAIN.replace("10", "null") + "\n", 65, "bad.jsonl:1: "),
    ("a text for a number", PLAIN.replace("10", '"ten"') + "\n", 65, "bad.jsonl:1: "),
    ("two objects in a line", PLAIN + PLAIN + "\n", 65, "bad.jsonl:1: "),
    ("single quotes", PLAIN.replace('"', "'") + "\n", 65, "bad.jsonl:1: "),
    ("another row", PLAIN + '\n{"a": 1}\n', 65, "bad.jsonl:2: "),
    ("depth", '{"a": ' * 100_000 + "\n", 65, "bad.jsonl:1: "),
    ("a bad escape", PLAIN[:-1] + ', "id": "\\ud800"}\n', 65, "bad.jsonl:1: "),
    ("a huge number", PLAIN.replace("10", "1" * 400) + "\n", 65, "bad.jsonl:1: "),
    ("a session within", PLAIN[:-1] + ', "extra": {"session_id": 5}}\n', 65, "bad.jsonl:1: column extra.session_id: found a column that"),
    ("a time far within", PLAIN[:-1] + ', "a": [[{"b": {"timestamp": 5}}]]}\n', 65, "bad.jsonl:1: column a.b.timestamp: found a column"),
    ("a turn and no session", PLAIN[:-1] + ', "turn": 2}\n', 65, "bad.jsonl:1: column turn: "),
]:
    add("JSONL trace", name, ["trace", "check", "bad.jsonl"], {"bad.jsonl": content}, code, says)

WHOLE = gzip.compress((HEAD + "".join(f"{i},{100 + i * 7919 % 997},1\n" for i in range(5000))).encode())
# Two frames of RFC 8878: the magic number, then nothing; and one whose window would be 3.5 TB.
for name, file, content, code, says in [
    ("a gz that is cut", "bad.csv.gz", WHOLE[: len(WHOLE) // 2], 65, "bad.csv.gz"),
    ("a gz with a wrong byte", "bad.csv.gz", WHOLE[:2000] + bytes([WHOLE[2000] ^ 64]) + WHOLE[2001:], 65, "bad.csv.gz"),
    ("a gz with a wrong sum", "bad.csv.gz", WHOLE[:-8] + b"\0\0\0\0" + WHOLE[-4:], 65, "bad.csv.gz"),
    ("a gz and other bytes", "bad.csv.gz", WHOLE + b"other bytes", 65, "bad.csv.gz"),
    ("a gz of nothing", "bad.csv.gz", gzip.compress(b""), 65, "bad.csv.gz"),
    ("no gz, but a trace", "bad.csv.gz", HEAD + "0,1,1\n", 0, ""),
    ("a gz of a gz", "bad.csv.gz", gzip.compress(WHOLE), 65, "bad.csv.gz"),
    ("a zst that is cut", "bad.csv.zst", b"\x28\xb5\x2f\xfd", 65, "bad.csv.zst"),
    ("a zst with a huge window", "bad.csv.zst", b"\x28\xb5\x2f\xfd\x00\xf8" + b"\x01\x00\x00", 65, "bad.csv.zst"),
    ("no zst, but a trace", "bad.csv.zst", HEAD + "0,1,1\n", 0, ""),
]:
    add("compressed trace", name, ["trace", "check", file], {file: content}, code, says)

for name, path, files, code, says in [
    ("nothing there", "none.csv", {}, 66, "none.csv"),
    ("a folder", "data", {}, 66, "data"),
    ("an empty folder", "empty", {"empty": os.mkdir}, 66, "empty"),
    ("a FIFO", "fifo", {"fifo": os.mkfifo}, 66, "fifo"),
    ("a device", "/dev/zero", {}, 66, "/dev/zero"),
    ("a link to nothing", "link", {"link": lambda path: path.symlink_to("none")}, 66, "link"),
    ("a link to itself", "link", {"link": lambda path: path.symlink_to("link")}, 66, "link"),
    ("a database", "x.db", {"x.db": lambda path: database(path)}, 65, "x.db"),
    ("a name of 300 letters", "n" * 300, {}, 66, ""),
    ("no name", "", {}, 64, "--trace ''"),
]:
    add("place of a trace", name, [*RUN, "--trace", path], files, code, says)

# Models

LLAMA = {
    "model_type": "llama", "hidden_size": 4096, "intermediate_size": 11008, "num_hidden_layers": 32, "num_attention_heads": 32,
    "num_key_value_heads": 32, "vocab_size": 32000, "max_position_embeddings": 4096, "torch_dtype": "float16"}
for name, change in [
    ("no layers", {"num_hidden_layers": 0}), ("negative layers", {"num_hidden_layers": -1}),
    ("half a layer", {"num_hidden_layers": 1.5}), ("layers in words", {"num_hidden_layers": "many"}),
    ("layers beyond all memory", {"num_hidden_layers": 10**18}), ("a number of 400 digits", {"hidden_size": 10**400}),
    ("no heads", {"num_attention_heads": 0}), ("more KV heads than heads", {"num_key_value_heads": 33}),
    ("KV heads that do not divide", {"num_key_value_heads": 5}), ("heads that do not divide", {"num_attention_heads": 33}),
    ("no width", {"hidden_size": None}), ("no vocabulary", {"vocab_size": 0}), ("a list for a number", {"vocab_size": [1]}),
    ("an unknown kind", {"model_type": "abacus"}), ("no kind", {"model_type": None}),
    ("an unknown element", {"torch_dtype": "decimal"}),
    ("types of too few layers", {"layer_types": ["full_attention"] * 31}),
    ("types of too many layers", {"layer_types": ["full_attention"] * 33}),
    ("types of no layer", {"layer_types": []}), ("types that are no list", {"layer_types": "full_attention"}),
    ("quantised weights", {"quantization_config": {"bits": 4, "quant_method": "gptq"}}),
]:
    add("model", name, [*RUN, "--model", "m/config.json"], {"m/config.json": json.dumps({**LLAMA, **change})}, 65)
for name, content in [
    ("nothing", ""), ("an array", "[]"), ("an empty object", "{}"), ("half", json.dumps(LLAMA)[:50]),
    ("NaN", json.dumps({**LLAMA, "hidden_size": float("nan")})), ("depth", "[" * 100_000),
    ("UTF-16 of something else", "abacus".encode("utf-16")), ("NUL bytes", b"\0" * 100), ("YAML", "model_type: llama\n"),
]:
    add("model", name, [*RUN, "--model", "m/config.json"], {"m/config.json": content}, 65, "config.json")
for name, path, code in [
    ("nothing there", "no/config.json", 66), ("a folder without", "./data", 66), ("a device", "/dev/zero", 66),
    ("an unknown name", "abacus", 64), ("no name", "", 64)]:
    add("model", name, [*RUN, "--model", path], {}, code)

# Hardware

for name, content, code in [
    ("nothing", "", 65), ("a list", "- 1\n", 65), ("a text", "fast\n", 65), ("an unknown key", "speed: 1\n", 65),
    ("no YAML", "a: [1\n", 65), ("a key twice", "name: a\nname: b\n", 65), ("tabs", "name:\n\t- 1\n", 65),
    ("aliases without end", ALIASES, 65), ("an alias of nothing", "a: *b\n", 65), ("NUL bytes", b"\0" * 100, 65),
    ("UTF-16", "name: x\n".encode("utf-16"), 65),
]:
    add("hardware", name, [*RUN, "--hardware", "h.yaml"], {"h.yaml": content}, code, "h.yaml")
for name, path, code in [
    ("nothing there", "none.yaml", 66), ("a folder", "./data", 66), ("a device", "/dev/zero", 66),
    ("an unknown name", "abacus", 64),
]:
    add("hardware", name, [*RUN, "--hardware", path], {}, code)

# Generators

GENERATOR = COMMON["g.yaml"]
for name, content in [
    ("nothing", ""), ("a list", "- 1\n"), ("no YAML", "a: [1\n"), ("an unknown key", GENERATOR + "speed: 1\n"),
    ("a key twice", GENERATOR + "requests: 5\n"), ("no requests", GENERATOR.replace("20", "0")),
    ("negative requests", GENERATOR.replace("20", "-5")),
    ("too many requests", GENERATOR.replace("20", "99999999999999999999")),
    ("requests that are no number", GENERATOR.replace("20", ".nan")), ("no rate", GENERATOR.replace("rate: 2", "rate: 0")),
    ("a negative rate", GENERATOR.replace("rate: 2", "rate: -2")),
    ("a rate without end", GENERATOR.replace("rate: 2", "rate: .inf")),
    ("a rate that is no number", GENERATOR.replace("rate: 2", "rate: .nan")),
    ("a prompt below nothing", GENERATOR.replace("prompt: 100", "prompt: -1")),
    ("a prompt beyond all", GENERATOR.replace("prompt: 100", "prompt: 1e30")),
    ("an unknown distribution", GENERATOR.replace("uniform", "even")),
    ("a range the wrong way", GENERATOR.replace("max: 50", "max: 0")),
    ("no spread", GENERATOR.replace("{kind: uniform, min: 1, max: 50}", "{kind: lognormal, median: 10, sigma: -1}")),
    ("an own trace that is broken", GENERATOR.replace(
        "prompt: 100", "prompt: {kind: empirical, path: data/nvlink.csv, field: prompt}")),
    ("a process that is unknown", GENERATOR.replace("rate: 2", "process: magic, rate: 2")),
    ("no arrivals", "requests: 5\nprompt: 1\noutput: 1\n"), ("aliases without end", ALIASES),
    ("lists without end", "a: " + "[" * 20_000 + "\n"), ("UTF-16", GENERATOR.encode("utf-16")), ("NUL bytes", b"\0" * 100),
]:
    add("generator", name, ["trace", "generate", "bad.yaml", "--out", "out.csv"], {"bad.yaml": content}, 65)
    add("run of a generator", name, [*RUN, "--trace", "bad.yaml"], {"bad.yaml": content}, 65)
for name, path, code in [("nothing there", "none.yaml", 66), ("a folder", "./data", 66), ("a device", "/dev/zero", 66)]:
    add("generator", name, ["trace", "generate", path, "--out", "out.csv"], {}, code)

# Studies

for name, content, code, says in [
    ("nothing", "", 65, "bad.yaml"), ("a list", "- 1\n", 65, "bad.yaml"), ("no YAML", "a: [1\n", 65, "bad.yaml"),
    ("no name", "grids: []\n", 65, "bad.yaml"), ("no grids", "study: s\n", 65, "bad.yaml"),
    ("an unknown key", study("", "speed: 1\n"), 65, "bad.yaml:2"), ("a key twice", study("", "study: t\n"), 65, "bad.yaml"),
    ("no seeds", study("", "seeds: 0\n"), 65, "bad.yaml:2"), ("negative seeds", study("", "seeds: -1\n"), 65, "bad.yaml:2"),
    ("a seed twice", study("", "seeds: [1, 1]\n"), 65, "bad.yaml:2"),
    ("seeds in words", study("", "seeds: few\n"), 65, "bad.yaml:2"),
    ("an unknown contender", study("").replace("[vllm-m]", "[abacus]"), 65, "abacus"),
    ("no contenders", study("").replace("[vllm-m]", "[]"), 65, "bad.yaml"),
    ("a contender twice", study("").replace("[vllm-m]", "[vllm-m, vllm-m]"), 65, "bad.yaml"),
    ("an unknown option", study("    axes: {speed: [1, 2]}\n"), 65, "speed"),
    ("an axis of nothing", study("    axes: {rate-scale: []}\n"), 65, "bad.yaml"),
    ("a value twice", study("    axes: {rate-scale: [1, 1]}\n"), 65, "bad.yaml"),
    ("a value that is no number", study("    axes: {rate-scale: [.nan]}\n"), 65, "rate-scale"),
    ("a trace and a load", study("    axes: {load: ['1:1@1/s']}\n"), 65, "bad.yaml"),
    ("a load that is none", study("    axes: {load: ['1:1@x']}\n").replace(", trace: t.csv", ""), 65, "bad.yaml:5:18"),
    ("a negative value", study("    axes: {nodes: [-1]}\n"), 65, "nodes"),
    ("no expression", study("    expect: ['1 +']\n"), 65, "bad.yaml"),
    ("an open bracket", study("    expect: ['value(vllm-m, makespan_s < 1']\n"), 65, "bad.yaml"),
    ("brackets without end", study("    expect: ['" + "(" * 50_000 + "']\n"), 65, "bad.yaml"),
    ("an unknown contender in an expectation", study("    expect: ['value(abacus, makespan_s) < 1']\n"), 65, "abacus"),
    ("a trace that is not there", study("").replace("t.csv", "none.csv"), 66, "none.csv"),
    ("a trace that is broken", study("").replace("t.csv", "s.yaml.csv"), 65, "s.yaml.csv"),
    ("a grid twice", study("") + "  - grid: g\n    contenders: [vllm-m]\n", 65, "bad.yaml"),
    ("an illegal TP", study("    axes: {tp: [3]}\n"), 65, "TP"),
    ("UTF-16", study("").encode("utf-16"), 65, "bad.yaml"), ("NUL bytes", b"\0" * 100, 65, "bad.yaml"),
    ("rows of another kind", study("", "rows: most\n"), 65, "bad.yaml:2"), ("aliases without end", ALIASES, 65, "bad.yaml"),
    ("lists without end", "study: " + "[" * 20_000 + "\n", 65, "bad.yaml"),
    ("too many seeds", study("", "seeds: 10000000\n"), 65, "bad.yaml:2"),
    ("too many points", study(f"    axes: {{limit: {HUNDRED}, rate-scale: {HUNDRED}, kv-blocks: {HUNDRED}}}\n"), 65, "bad.yaml"),
    ("a faults file that is broken", study("    options: {faults: t.csv}\n"), 65, "t.csv"),
]:
    add("study", name, ["sweep", "bad.yaml", "--db", "new.db"], {"bad.yaml": content, "s.yaml.csv": HEAD + "0,0,0\n"}, code,
        says)
add("study", "a where without axes", ["sweep", "bad.yaml", "--db", "new.db"],
    {"bad.yaml": study("    expect: ['value(vllm-m, makespan_s) < 1 where speed == 1']\n")}, 65, "expected grid or seed: there are no axes")
for name, path, code in [("nothing there", "none.yaml", 66), ("a folder", "data", 66), ("a device", "/dev/zero", 66)]:
    add("study", name, ["sweep", path, "--db", "new.db"], {}, code)

# Faults

RANDOM = "random:\n  - {%s}\n"
TIMED = "faults:\n  - {%s}\n"
for name, content, says in [
    ("a list", "- 1\n", ""), ("no YAML", "a: [1\n", ""), ("an unknown key", "speed: 1\n", ":1"),
    ("aliases without end", ALIASES, ""),
    ("a key twice", "seed: 1\nseed: 2\n", ""), ("a negative seed", "seed: -1\n", ":1"),
    ("no fault", TIMED % "at-s: 1", ":2"), ("two faults", TIMED % "crash: 0, node-loss: 0, at-s: 1", ":2"),
    ("an unknown fault", TIMED % "flood: 0, at-s: 1", ":2"),
    ("an instance that is not there", TIMED % "crash: 9, at-s: 1", ":2:13: "),
    ("a negative instance", TIMED % "crash: -1, at-s: 1", ":2"),
    ("a node that is not there", TIMED % "node-loss: 9, at-s: 1", ":2"),
    ("a link to nowhere", TIMED % "link-loss: 0, to: 9, at-s: 1", ":2"),
    ("no time", TIMED % "crash: 0", ":2"), ("a negative time", TIMED % "crash: 0, at-s: -1", ":2"),
    ("a time that is no number", TIMED % "crash: 0, at-s: .nan", ":2"),
    ("a time without end", TIMED % "crash: 0, at-s: .inf", ":2"),
    ("no length", TIMED % "crash: 0, at-s: 1, for-s: 0", ":2"),
    ("a negative length", TIMED % "crash: 0, at-s: 1, for-s: -1", ":2"),
    ("a factor below one", TIMED % "straggler: 0, factor: 0.5, at-s: 1", ":2"),
    ("no factor", TIMED % "straggler: 0, at-s: 1", ":2"),
    ("a factor that is no number", TIMED % "straggler: 0, factor: nan, at-s: 1", ":2"),
    ("no blocks", TIMED % "memory-shrink: 0, at-s: 1", ":2"),
    ("negative blocks", TIMED % "memory-shrink: 0, blocks: -1, at-s: 1", ":2"),
    ("a manager that does not crash", TIMED % "manager-crash: false, at-s: 1", ":2"),
    ("no mean", RANDOM % "crash: 0, mean-repair-s: 1", ":2"),
    ("a mean of nothing", RANDOM % "crash: 0, mean-between-s: 0, mean-repair-s: 1", ":2"),
    ("a repair of nothing", RANDOM % "crash: 0, mean-between-s: 1, mean-repair-s: 0", ":2"),
    ("a mean below a nanosecond", RANDOM % "crash: 0, mean-between-s: 1e-10, mean-repair-s: 1", ":2"),
    ("a negative mean", RANDOM % "crash: 0, mean-between-s: -1, mean-repair-s: 1", ":2"),
    ("a mean that is no number", RANDOM % "crash: 0, mean-between-s: .nan, mean-repair-s: 1", ":2"),
    ("a negative end", RANDOM % "crash: 0, mean-between-s: 1, mean-repair-s: 1, last-s: -1", ":2"),
]:
    add("faults", name, [*RUN, "--faults", "f.yaml"], {"f.yaml": content}, 65, "f.yaml" + says)
add("faults", "with an end that is too late", [*RUN, "--faults", "f.yaml"],
    {"f.yaml": RANDOM % "straggler: 0, factor: 2, mean-between-s: 1e-9, mean-repair-s: 1e-9, last-s: 9000"}, 65,
    "give longer means, or an earlier end than last-s 9000")
add("faults", "without end", [*RUN, "--faults", "f.yaml"],
    {"f.yaml": RANDOM % "straggler: 0, factor: 2, mean-between-s: 1e-9, mean-repair-s: 1e-9"}, 65,
    "straggler (instance 0) has begun")
for name, path in [("nothing there", "none.yaml"), ("a folder", "data"), ("a device", "/dev/zero")]:
    add("faults", name, [*RUN, "--faults", path], {}, 66)

# Databases


def database(path, application=OURS, version=999, table=True):
    with sqlite3.connect(path) as db:
        if table:
            db.execute("CREATE TABLE t (x)")
        db.execute(f"PRAGMA application_id = {application}")
        db.execute(f"PRAGMA user_version = {version}")
    db.close()


def half(path):
    database(path)
    path.write_bytes(path.read_bytes()[:1000])


for name, files, path, code, says in [
    ("a text", {"x.db": "not a database\n"}, "x.db", 65, "x.db: this file is not a SQLite database"),
    ("zeros", {"x.db": b"\0" * 8192}, "x.db", 65, "x.db: "),
    ("a header and nonsense", {"x.db": b"SQLite format 3\0" + b"\xff" * 8192}, "x.db", 65, "x.db: "),
    ("half", {"x.db": half}, "x.db", 65, "x.db: "),
    ("another program's", {"x.db": lambda path: database(path, application=1)}, "x.db", 65,
     "x.db: this SQLite database belongs"),
    ("no program's", {"x.db": lambda path: database(path, application=0)}, "x.db", 65, "x.db: this SQLite database belongs"),
    ("a newer program's", {"x.db": database}, "x.db", 65, "x.db: the database has schema version 999"),
    ("a folder", {}, "data", 64, "is a folder"), ("a FIFO", {"fifo": os.mkfifo}, "fifo", 65, "fifo: "),
    ("a device", {}, "/dev/null", 65, "/dev/null: "), ("a missing folder", {}, "no/x.db", 64, "no/x.db: "),
    ("the trace", {}, "t.csv", 64, "is the file of --trace"), ("stdout", {}, "-", 64, "a database does not go to stdout"),
]:
    add("database", name, [*RUN, "--db", path], files, code, says)
    if code == 65:
        add("database read", name, ["report", "--db", path, "--out", "new"], files, code, says)
for name, arguments in [
    ("report of nothing", ["report", "--db", "none.db", "--out", "report"]),
    ("diff with nothing", ["diff", "none.db", "none.db"]),
    ("merge of nothing", ["merge", "out.db", "none.db"]), ("show of nothing", ["show", "request", "1", "--db", "none.db"]),
]:
    add("database", name, arguments, {}, 66, "none.db")

# Options

for arguments in [
    ["--nodes", "0"], ["--nodes", "-1"], ["--nodes", "many"], ["--nodes", "99999999999999999999"], ["--nodes", "1.5"],
    ["--gpus-per-node", "0"], ["--tp", "3"], ["--tp", "0"], ["--pp", "-1"], ["--instances", "0"], ["--instances", "99"],
    ["--limit", "0"], ["--limit", "-1"], ["--rate-scale", "0"], ["--rate-scale", "-1"], ["--rate-scale", "nan"],
    ["--rate-scale", "inf"], ["--rate-scale", "1e-300"], ["--clip-total", "0"], ["--clip-total", "-5"], ["--seed", "-1"],
    ["--seed", "1e3"], ["--kv-blocks", "0"], ["--kv-blocks", "-1"], ["--kv-blocks", "99999999999999999999"],
    ["--max-num-seqs", "0"], ["--max-num-seqs", "-1"], ["--max-num-batched-tokens", "0"], ["--gpu-memory-utilization", "0"],
    ["--gpu-memory-utilization", "1.5"], ["--gpu-memory-utilization", "nan"], ["--gpu-memory-utilization", "-1"],
    ["--slo-ttft", "-1"], ["--slo-ttft", "nan"], ["--slo-tpot", "0"], ["--engine", "magic"], ["--router", "magic"],
    ["--kv-dtype", "fp1"], ["--inter-node", "magic"], ["--engine-profile", "magic"], ["--decode-kernel", "magic"],
    ["--option", "x"], ["--option", "x=1"], ["--option", "=1"], ["--option", "block-size=0"], ["--option", "block-size=-16"],
    ["--option", "block-size=nan"], ["--option", "steal=maybe"], ["--option", "steal=true", "--option", "steal=false"],
    ["--policy", "magic"], ["--policy", ""], ["--longest", "1"], ["--format", "magic"], ["--lenient", "--max-skipped", "2"],
    ["--lenient", "--max-skipped", "-1"], ["--lenient", "--max-skipped", "nan"], ["--arrivals", "poisson:0"],
    ["--arrivals", "poisson:nan"],
    ["--arrivals", "magic"], ["--jitter", "-1"], ["--jitter", "nan"], ["--trace-seed", "-1"], ["--pool-span", "2:1"],
    ["--magic"], ["--nodes"], ["more"], ["--requests-out", "-", "--timeline", "-"],
    ["--requests-out", "a", "--timeline", "./a"],
    ["--bench-out", "a"], ["--bench-out", "vllm"], ["--bench-out", "vllm="], ["--bench-out", "=a"], ["--bench-out", "magic=a"],
    ["--bench-out", "vllm=a", "--bench-out", "aiperf=./a"], ["--bench-out", "vllm=-", "--requests-out", "-"],
    ["--bench-out", "vllm=t.csv"], ["--db", "new.db", "--bench-out", "vllm=new.db-wal"],
    ["--db", "new.db", "--requests-out", "new.db-wal"], ["--trace", "paper:9"], ["--trace", "paper:1,requests=0"],
    ["--trace", "paper:1,speed=1"], ["--trace", "paper:1,rate=nan"], ["--trace", "paper:"],
]:
    add("option", " ".join(arguments), [*RUN, *arguments], {}, 64)
for arguments in [
    ["--concurrency", "0"], ["--concurrency", "-1"], ["--concurrency", "nan"], ["--concurrency", "1000001"],
    ["--concurrency", "99999999999999999999"], ["--max-concurrency", "0"], ["--concurrency", "2", "--at-once"],
    ["--concurrency", "2", "--closed-loop"], ["--concurrency", "2", "--arrivals", "poisson:1"],
    ["--request-rate", "0"], ["--request-rate=-1"], ["--request-rate=-inf"], ["--request-rate", "nan"], ["--request-rate", "1e400"],
    ["--request-rate", "1e-300"], ["--request-rate", "1e9"], ["--request-rate", "fast"], ["--request-rate", "1", "--at-once"],
    ["--request-rate", "1", "--closed-loop"], ["--request-rate", "1", "--arrivals", "poisson:1"],
    ["--burstiness", "1"], ["--request-rate", "inf", "--burstiness", "1"], ["--request-rate", "1", "--burstiness", "0"],
    ["--request-rate", "1", "--burstiness", "nan"], ["--request-rate", "1", "--burstiness=-inf"], ["--request-rate", "1", "--burstiness", "1e99"],
    ["--ramp-up-strategy", "linear"], ["--ramp-up-strategy", "magic"], ["--ramp-up-start-rps", "1"],
    ["--ramp-up-strategy", "linear", "--ramp-up-start-rps", "0", "--ramp-up-end-rps", "1"],
    ["--ramp-up-strategy", "exponential", "--ramp-up-start-rps", "1", "--ramp-up-end-rps", "nan"],
    ["--ramp-up-strategy", "linear", "--ramp-up-start-rps", "1", "--ramp-up-end-rps", "inf"],
    ["--ramp-up-strategy", "linear", "--ramp-up-start-rps", "1", "--ramp-up-end-rps", "2", "--request-rate", "1"],
    ["--repeat", "0"], ["--repeat", "-1"], ["--repeat", "1000001"], ["--repeat", "1.5"], ["--repeat", "2", "--closed-loop"],
    ["--warmup", "0"], ["--warmup=-1"], ["--warmup", "nans"], ["--warmup", "infs"], ["--warmup", "1e99s"], ["--warmup", "5m"],
    ["--cutoff", "0s"], ["--cutoff", ""], ["--cutoff", "99999999999999999999"], ["--load", "1:1"],
]:
    add("option", " ".join(arguments), [*RUN, *arguments], {}, 64)
for arguments, says in [
    (["--repeat", "1000000", "--trace", "many.csv"], "--repeat"), (["--repeat", "1000000", "--trace", "slow.csv"], "100 days"),
    (["--warmup", "3"], "of nothing"), (["--warmup", "2", "--cutoff", "9000000000000000000"], "of nothing"),
]:
    add("option", " ".join(arguments), [*RUN, *arguments], {"slow.csv": HEAD + "0,10,1\n1000000,10,1\n"}, 65, says)
for load in [
    "", "1", "1:", ":1", "0:1", "1:0", "-1:1", "1:1:1", "1.5:1", "nan:1", "100000001:1", "1:99999999999999999999", "1:1@", "1:1@1",
    "1:1@0/s", "1:1@-1/s", "1:1@nan/s", "1:1@inf/s", "1:1@1e400/s", "1:1@concurrency=0", "1:1@concurrency=99999999999999999999",
    "1:1@magic", "1:1@1/s@1/s", "1:1,", "1:1,requests=0", "1:1,requests=-1", "1:1,requests=99999999999", "1:1,requests=1,requests=1",
    "1:1,range-ratio=1", "1:1,range-ratio=nan", "1:1,range-ratio=-1", "1:1,magic=1", "1:1@" + "9" * 10_000 + "/s", "\N{GRINNING FACE}:1",
]:
    add("load", load[:60], ["run", "--policy", "vllm-m", "--load=" + load], {}, 64, "load")
for arguments in [
    ["--load", "1:1@1/s", "--request-rate", "1"], ["--load", "1:1@inf", "--request-rate", "1"], ["--load", "1:1@1/s", "--at-once"],
    ["--load", "1:1@concurrency=1", "--concurrency", "1"], ["--load", "1:1@1/s", "--closed-loop"], ["--load", "1:1@1/s", "--format", "plain"],
    ["--load", "1:1@1/s", "--arrivals", "poisson:1"], ["--load", "1:1@0.000001/s"], ["--load", "1:1@1/s", "--trace", "t.csv"],
    ["--trace", "load:"],
]:
    add("load", " ".join(arguments), ["run", "--policy", "vllm-m", *arguments], {}, 64)
for value in ["1", "0", "-1", "x", "1.5", "99999999999999999999"]:
    add("option", "--max-model-len=" + value, [*RUN, "--max-model-len=" + value], {}, 64, "Expected model, or 2 to 1073741824 tokens.")
LENGTHS = "input_tokens,output_tokens\n10,5\n20,5\n"
for command in [[*RUN, "--trace", "l.csv"], ["trace", "check", "l.csv"], ["trace", "inspect", "l.csv"],
                ["trace", "convert", "l.csv", "--out", "new.csv"]]:
    add("option", " ".join(command) + " --jitter 3", [*command, "--jitter", "3"], {"l.csv": LENGTHS}, 64, "has no times")
for option in [["--db", "new.db"], ["--force"], ["--timing"], ["--step-by-step"]]:
    add("option", "capacity " + option[0], ["capacity", "--trace", "t.csv", "--policy", "vllm-m", "--slo-ttft", "1", *option], {}, 64,
        f"Unknown option '{option[0]}'")

for arguments in [
    ["magic"], ["run"], ["run", "--trace", "t.csv"], ["trace", "magic"], ["trace", "check"],
    ["compare", "--trace", "t.csv", "--policies", ""], ["compare", "--trace", "t.csv", "--policies", "vllm-m,vllm-m"],
    ["compare", "--trace", "t.csv", "--seeds", "0"], ["compare", "--trace", "t.csv", "--baseline", "magic"],
    ["compare", "--trace", "t.csv", "--on-reject", "magic"],
    ["trace", "generate", "--out", "new.csv"], ["trace", "generate", "g.yaml", "--paper", "1", "--out", "new.csv"],
    ["trace", "generate", "--paper", "9", "--out", "new.csv"], ["trace", "generate", "--paper", "-1", "--out", "new.csv"],
    ["trace", "generate", "--paper", "1", "--rate", "nan", "--out", "new.csv"],
    ["trace", "generate", "--paper", "1", "--rate", "0", "--out", "new.csv"],
    ["trace", "generate", "--paper", "1", "--mean-tokens", "-5", "--out", "new.csv"],
    ["trace", "generate", "--paper", "1", "--output-share", "2", "--out", "new.csv"],
    ["trace", "generate", "--paper", "1", "--spread", "inf", "--out", "new.csv"],
    ["trace", "generate", "g.yaml", "--requests", "0", "--out", "new.csv"],
    ["trace", "generate", "g.yaml", "--requests", "-5", "--out", "new.csv"],
    ["trace", "generate", "g.yaml", "--to", "magic", "--out", "new.csv"],
    ["trace", "convert", "t.csv", "--to", "magic", "--out", "new.csv"],
    ["trace", "convert", "t.csv", "--drop", "magic", "--out", "new"],
    ["trace", "convert", "t.csv", "--sample-sessions", "0", "--out", "new"],
    ["trace", "convert", "t.csv", "--sample-sessions", "nan", "--out", "new"],
    ["trace", "convert", "t.csv", "--limit", "0", "--out", "new"], ["trace", "fit", "many.csv"],
    ["trace", "fit", "many.csv", "--seed", "-1", "--json"],
    ["sweep", "s.yaml"], ["sweep", "s.yaml", "--db", "new.db", "--jobs", "0"],
    ["sweep", "s.yaml", "--db", "new.db", "--shard", "0/2"],
    ["sweep", "s.yaml", "--db", "new.db", "--shard", "3/2"], ["sweep", "s.yaml", "--db", "new.db", "--shard", "x"],
    ["sweep", "s.yaml", "--db", "new.db", "--shard", "1/2", "--junit", "new.xml"], ["sweep", "s.yaml", "--db", "s.yaml"],
    ["sweep", "s.yaml", "--db", "-"], ["sweep", "s.yaml", "--db", "new.db", "--junit", "new", "--summary", "new"],
    ["sweep", "s.yaml", "--db", "new.db", "--junit", "-", "--summary", "-"],
    ["sweep", "s.yaml", "--db", "new.db", "--chunks", "0"],
    ["sweep", "s.yaml", "--db", "new.db", "--junit", "t.csv"], ["merge", "x.db", "x.db"], ["merge", "x.db"],
    ["report", "--db", "x.db"], ["report", "--db", "x.db", "--out", "-"], ["report", "--db", "x.db", "--out", "t.csv"],
    ["report", "--db", "report.md", "--out", "."], ["report", "--db", "x.db", "--template", "report.md", "--out", "."],
    ["calibrate", "--data", "data", "--output", "new.yaml", "--scale", "0"],
    ["calibrate", "--data", "data", "--output", "new.yaml", "--noise", "nan"],
    ["calibrate", "--data", "data", "--output", "data/nvlink.csv", "--synthesize"],
    ["calibrate", "--data", "data", "--output", "data", "--synthesize"],
    ["calibrate", "--data", "data", "--output", "-", "--synthesize"],
    ["validate", "costs", "--data", "data", "--report", "-"], ["validate", "costs", "--data", "data", "--report", "t.csv"],
    ["validate", "run"], ["validate", "run", "r.json"], ["validate", "run", "r.json", "--hardware", "magic"],
    ["validate", "run", "r.json", "--hardware", "a100-measured", "--figure", "r.json"],
    ["validate", "run", "r.json", "--hardware", "a100-measured", "--figure", "-", "--json", "-"],
    ["validate", "run", "r.json", "--hardware", "a100-measured", "--option", "max-num-seqs=nan"],
    ["validate", "kernel", "--context", "0"], ["validate", "gpu", "--limit", "nan"], ["validate", "gpu", "--shapes", "0"],
    ["cost", "iteration", "--batch", "-1"], ["cost", "iteration", "--context", "nan"], ["torture", "--seeds", "0"],
    ["capacity", "--trace", "t.csv", "--policy", "vllm-m"], ["bench", "run", "magic"],
]:
    files = {"report.md": "mine\n", "x.db": ""}
    add("command", " ".join(arguments), arguments, files, 64)

# Paths that are empty, as of a variable that is not set, and folders that are not there

for arguments, says in [
    ([*RUN, "--db", ""], "--db ''"), ([*RUN, "--db="], "--db="), ([*RUN, "--requests-out", ""], "--requests-out ''"),
    ([*RUN, "--timeline", ""], "--timeline ''"), ([*RUN, "--bench-out", ""], "--bench-out ''"),
    (["validate", "run", "r.json", "--figure", ""], "--figure ''"), ([*RUN, "--faults", ""], "--faults ''"),
    ([*RUN, "--hardware", ""], "--hardware ''"), ([*RUN, "--model", ""], "--model ''"),
    (["compare", "--trace", "t.csv", "--report", ""], "--report ''"),
    (["trace", "convert", "t.csv", "--out", ""], "--out ''"), (["trace", "generate", "g.yaml", "--out", ""], "--out ''"),
    (["trace", "fit", "many.csv", "--out", ""], "--out ''"), (["trace", "check", ""], "empty argument"),
    (["sweep", "s.yaml", "--db", ""], "--db ''"), (["sweep", "s.yaml", "--db", "new.db", "--junit", ""], "--junit ''"),
    (["sweep", "s.yaml", "--db", "new.db", "--summary", ""], "--summary ''"), (["sweep", "", "--db", "new.db"], "empty"),
    (["merge", "", "a.db"], "empty argument"), (["merge", "new.db", ""], "empty argument"),
    (["diff", "", "a.db"], "empty argument"), (["show", "request", "0", "--db", ""], "--db ''"),
    (["show", "move", "1", "--db="], "--db="), (["report", "--db", "", "--out", "new"], "--db ''"),
    (["report", "--db", "a.db", "--out", ""], "--out ''"), (["report", "--db", "a.db", "--out", "new", "--template", ""], "''"),
    (["calibrate", "--data", "data", "--output", ""], "--output ''"), (["calibrate", "--data", "", "--output", "new"], "--data ''"),
    (["calibrate", "--data", "data", "--output", "new", "--truth", ""], "--truth ''"),
    (["validate", "costs", "--data", ""], "--data ''"), (["validate", "costs", "--data", "data", "--report", ""], "--report ''"),
]:
    add("nothing", " ".join(arguments), arguments, {}, 64, says)

for arguments in [
    [*RUN, "--db", "no/new.db"], [*RUN, "--db", "t.csv/new.db"], [*RUN, "--db", "link"],
    ["compare", "--trace", "t.csv", "--policies", "vllm-m", "--quiet", "--db", "no/new.db"],
    ["sweep", "s.yaml", "--db", "no/new.db"], ["merge", "no/new.db", "a.db"],
]:
    files = {"link": lambda path: path.symlink_to("no/new.db")}
    add("a database in no folder", " ".join(arguments), arguments, files, 64, "there is no folder ")
