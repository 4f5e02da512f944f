"""The outputs of all commands: how one is asked for, a file that the command reads, what it keeps besides, and whether gnuplot draws it."""

import dataclasses
import shutil
import typing

RUN = ["run", "--trace", "t.csv", "--policy", "vllm-m", "--gpus-per-node", "1", "--quiet"]
REPLAY = ["validate", "run", "r.json", "--hardware", "a100-measured"]
SWEEP = ["sweep", "s.yaml", "--db", "s.db", "--quiet"]


@dataclasses.dataclass
class Output:
    command: typing.Callable[[str], list]
    input: str = "t.csv"
    keeps: tuple = ()
    draws: bool = False


OUTPUTS = {
    "run --requests-out": Output(lambda path: [*RUN, "--requests-out", path]),
    "run --bench-out": Output(lambda path: [*RUN, "--bench-out", f"vllm={path}"]),
    "run --bench-out, a request a line": Output(lambda path: [*RUN, "--bench-out", f"aiperf={path}"]),
    "run --timeline": Output(lambda path: [*RUN, "--timeline", path]),
    "validate run --json": Output(lambda path: [*REPLAY, "--json", path], input="r.json"),
    "compare --report": Output(lambda path: [
        "compare", "--trace", "t.csv", "--policies", "vllm-m", "--gpus-per-node", "1", "--quiet", "--report", path]),
    "trace convert --out": Output(lambda path: ["trace", "convert", "t.csv", "--out", path]),
    "trace generate --out": Output(lambda path: ["trace", "generate", "g.yaml", "--out", path], input="g.yaml"),
    "trace fit --out": Output(lambda path: ["trace", "fit", "many.csv", "--out", path], input="many.csv"),
    "calibrate --output": Output(
        lambda path: ["calibrate", "--data", "data", "--name", "mine", "--output", path], input="data/nvlink.csv"),
    "sweep --summary": Output(lambda path: [*SWEEP, "--summary", path], input="s.yaml", keeps=("s.db",)),
    "sweep --junit": Output(lambda path: [*SWEEP, "--junit", path], input="s.yaml", keeps=("s.db",)),
}
# Figures are drawn by it.
if shutil.which("gnuplot"):
    OUTPUTS["validate run --figure"] = Output(
        lambda path: [*REPLAY, "--figure", path], input="r.json", draws=True)
