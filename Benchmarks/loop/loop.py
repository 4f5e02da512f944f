"""Builds the runner `main.swift` with the engine and the policies alone, and counts its instructions; and what else the
benchmarks share."""
import json
import os
import pathlib
import platform
import re
import shutil
import statistics
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
PACKAGE = """// swift-tools-version: 6.2
import PackageDescription

let package = Package(
  name: "loop",
  platforms: [.macOS(.v15)],
  dependencies: [.package(url: "https://github.com/apple/swift-collections", exact: "%s")],
  targets: [
    .target(name: "Sim", dependencies: [.product(name: "HeapModule", package: "swift-collections")]),
    .target(name: "Policies", dependencies: ["Sim"]),
    .systemLibrary(name: "CMalloc"),
    .executableTarget(name: "loop", dependencies: ["Sim", "Policies", "CMalloc"]),
  ]
)
"""


# Arguments of `run` for the scenario lending of `infinite-sim bench list`.
LENDING = [
    "--policy", "debtor-creditor", "--model", "llama2-7b", "--max-model-len", "10000000", "--hardware", "a100-40gb", "--nodes", "4", "--gpus-per-node", "8",
    "--router", "least-loaded", "--option", "period=0.5", "--option", "prefill-attention=distributed"]


def write_if_changed(path, text):
    """Keeps the time of a file that stays the same, so that builds are incremental."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists() or path.read_text() != text:
        path.write_text(text)


def build(change=None):
    """Builds the runner in release and returns the path of the program: the package's own, beside everything else that is built.

    With `change`, (file, find, replace), a copy of the engine is changed and built, in .build/loop.
    """
    if change is None:
        return compiled(ROOT, ROOT / ".build/release/loop")
    work = ROOT / ".build/loop"
    version = re.search(r'swift-collections", exact: "([^"]+)"', (ROOT / "Package.swift").read_text()).group(1)
    write_if_changed(work / "Package.swift", PACKAGE % version)
    wanted = {work / "Sources/loop/main.swift": (ROOT / "Benchmarks/loop/main.swift").read_text()}
    for target in ["Sim", "Policies"]:
        for source in sorted((ROOT / "Sources" / target).rglob("*.swift")):
            text = source.read_text()
            if str(source.relative_to(ROOT)) == change[0]:
                if text.count(change[1]) != 1:
                    sys.exit(f"error: {change[0]} has {text.count(change[1])} times, not once: {change[1]}")
                text = text.replace(change[1], change[2])
            wanted[work / "Sources" / source.relative_to(ROOT / "Sources")] = text
    for stale in set((work / "Sources").rglob("*.swift")) - set(wanted):
        stale.unlink()
    for part in (ROOT / "Benchmarks/loop/CMalloc").iterdir():
        wanted[work / "Sources/CMalloc" / part.name] = part.read_text()
    for path, text in wanted.items():
        write_if_changed(path, text)
    return compiled(work, work / ".build/release/loop")


def compiled(package, program):
    """Builds the product `loop` of a package; the path of the program, which valgrind can read."""
    done = subprocess.run(
        ["swift", "build", "-c", "release", "--product", "loop"], cwd=package, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"error: the runner does not compile:\n{done.stdout}")
    # valgrind cannot read Swift's debugging information.
    stripped = program.with_name("loop-stripped")
    subprocess.run(["strip", "-g", "-o", stripped, program], check=True)
    return stripped


def environment():
    return dict(os.environ, SWIFT_DETERMINISTIC_HASHING="1", SWIFT_BACKTRACE="enable=no")


def run(program, arguments):
    """The runner's JSON line."""
    done = subprocess.run(
        [program, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment(),
        check=False)
    if done.returncode != 0:
        sys.exit(f"error: {' '.join(map(str, arguments))}: {done.stderr}")
    return json.loads(done.stdout)


def instructions(program, arguments, inside=None):
    """(instructions, JSON line) under callgrind; with `inside` only of functions whose symbol matches, and callees."""
    if not shutil.which("valgrind"):
        sys.exit("error: valgrind is missing (Debian: apt-get install valgrind)")
    with tempfile.TemporaryDirectory() as folder:
        command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={folder}/out"]
        if inside:
            command.append(f"--toggle-collect={inside}")
        done = subprocess.run(
            [*command, program, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env=environment(), check=False)
    counted = re.search(r"Collected : (\d+)", done.stderr)
    if done.returncode != 0 or not counted:
        sys.exit(f"error: valgrind {' '.join(map(str, arguments))}: {done.stderr}")
    return int(counted.group(1)), json.loads(done.stdout)


def compiler():
    """The compiler's version, as it says it."""
    said = subprocess.run(["swift", "--version"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True)
    return re.search(r"Swift version [0-9.]+ \([^)]*\)", said.stdout).group(0)


def released():
    """Builds the program as it is released; its path."""
    subprocess.run([ROOT / "scripts/release"], cwd=ROOT, stdout=sys.stderr, check=True)
    return ROOT / ".build/released/infinite-sim"


def machine():
    """The processor in words."""
    model = re.search(r"^model name\s*: (.*)$", pathlib.Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return f"{model.group(1) if model else platform.machine()}, {os.cpu_count()} processors"


def quartiles(values):
    """[lower, median, upper], linear between order statistics."""
    values = list(values)
    return statistics.quantiles(values, n=4, method="inclusive") if len(values) > 1 else values * 3


def put(file, name, command, text, check=False):
    """Writes the part `name` of a Markdown file, which `command` keeps, between its two comments; with `check` it must be there."""
    path = ROOT / file
    old = path.read_text()
    pattern = re.compile(f"(<!-- begin {name}: {command} -->\n).*?(<!-- end {name} -->)", re.DOTALL)
    new, count = pattern.subn(lambda found: f"{found.group(1)}\n{text}\n\n{found.group(2)}", old)
    if count != 1:
        sys.exit(f"error: {file} has {count} parts {name} of {command}, not one")
    if check and new != old:
        sys.exit(f"error: part {name} of {file} is not what Reports/speed says: {command}")
    if not check:
        path.write_text(new)
