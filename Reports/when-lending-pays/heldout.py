#!/usr/bin/env python3
"""Runs a study file with `infinite-sim run` alone and prints all cells: the paired ratio of `pooled` to each contender.

usage: Reports/when-lending-pays/heldout.py [STUDY.yaml [PROGRAM [SEEDS]]]

Seed k of a generator's YAML is generated anew, with k added to its own seed, as `sweep` does. Needs PyYAML.
"""
import json, math, os, pathlib, subprocess, sys, tempfile
import yaml

here = pathlib.Path(__file__).resolve().parent
path = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else here / "heldout.yaml"
program = sys.argv[2] if len(sys.argv) > 2 else str(here.parent.parent / ".build/release/infinite-sim")
study = yaml.safe_load(path.read_text())
seeds = study["seeds"][: int(sys.argv[3])] if len(sys.argv) > 3 else study["seeds"]
RUN = {"model", "nodes", "gpus-per-node", "inter-node", "tp", "max-num-seqs", "router", "rate-scale", "trace"}
# Student's t, two-sided 95 %, by degrees of freedom.
T = {1: 12.706, 2: 4.303, 3: 3.182, 4: 2.776, 5: 2.571, 6: 2.447, 7: 2.365, 8: 2.306, 9: 2.262}
work = tempfile.TemporaryDirectory()


def text(value):
    return str(value).lower() if isinstance(value, bool) else str(value)


def trace(name, seed):
    out = pathlib.Path(work.name) / f"{pathlib.Path(name).stem}-{seed}.csv"
    if not out.exists():
        spec = yaml.safe_load((path.parent / name).read_text())
        spec["seed"] = spec.get("seed", 0) + seed
        with tempfile.NamedTemporaryFile("w", suffix=".yaml", dir=work.name, delete=False) as file:
            yaml.safe_dump(spec, file)
        subprocess.run([program, "trace", "generate", file.name, "--out", out], check=True, stdout=subprocess.DEVNULL)
    return str(out)


def run(contender, options, seed):
    options = {**options, **contender.get("options", {})}
    options["trace"] = trace(options["trace"], seed)
    command = [program, "run", "--policy", contender["policy"], "--json"]
    for key, value in options.items():
        command += ["--" + key, text(value)] if key in RUN else ["--option", f"{key}={text(value)}"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command)}\n{done.stderr}")
    result = json.loads(done.stdout)
    if result["requests"]["completed"] != result["requests"]["arrived"]:
        print(f"  {contender['label']} seed {seed}: {result['requests']['rejected']} rejected: not comparable")
    return result


def cells(grid):
    found = [("", {})]
    for axis, values in grid.get("axes", {}).items():
        named = values.items() if isinstance(values, dict) else [(pathlib.Path(v).stem, {axis: v}) for v in values]
        found = [(f"{n} {name}".strip(), {**o, **value}) for n, o in found for name, value in named]
    return found


won, lost, total = 0, False, 0
for grid in study["grids"]:
    for name, values in cells(grid):
        options = {**study["options"], **grid.get("options", {}), **values}
        rates, shares, results = {}, {}, {}
        for contender in grid["contenders"]:
            label = contender["label"]
            results[label] = [run(contender, options, seed) for seed in seeds]
            rates[label] = [r["throughput"]["output_tokens_per_s"] for r in results[label]]
        total += 1
        wins = True
        print(f"{grid['grid']} {name}")
        for label, rate in rates.items():
            ratios = [a / b for a, b in zip(rates["pooled"], rate)]
            mean = sum(ratios) / len(ratios)
            half = T[len(ratios) - 1] * math.sqrt(sum((x - mean) ** 2 for x in ratios) / (len(ratios) - 1) / len(ratios))
            def average(*keys):
                found = []
                for result in results[label]:
                    for key in keys:
                        result = result[key]
                    found.append(result)
                return sum(found) / len(found)
            print(
                f"  {label:26} {sum(rate) / len(rate):8.1f} tokens/s, pooled/it {mean:.3f} [{mean - half:.3f}, {mean + half:.3f}]; "
                f"of the bound {average('bound_reached'):.2f}; TTFT p50 {average('ttft_s', 'p50'):.1f} p99 {average('ttft_s', 'p99'):.1f}, "
                f"long p99 {average('classes', 'long', 'ttft_s', 'p99'):.1f}, TPOT p99 {average('tpot_s', 'p99'):.3f} s")
            if label != "pooled":
                wins = wins and mean - half > 1
                lost = lost or mean < 0.97
        print(f"  {'won' if wins else 'not won'}", flush=True)
        won += wins
verdict = "better" if won * 3 >= total * 2 and not lost else "not better"
print(f"{won} of {total} cells won{', a mean ratio below 0.97' if lost else ''}: {verdict}")
