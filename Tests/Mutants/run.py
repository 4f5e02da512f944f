#!/usr/bin/env python3
"""Plants one bug at a time in the engine or the policies and shows which law catches it, and with which seed.

usage: Tests/Mutants/run.py [NAME...]        only these bugs
       Tests/Mutants/run.py --texts          only whether every bug's text is there, once

Works on copies in .build/mutants, one for each processor, never on the sources. Exits 1 if a bug is not caught, if the unmutated tree breaks a
law, or if a bug's text does not occur exactly once.
"""

import concurrent.futures
import json
import os
import pathlib
import queue
import re
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
COPIES = [ROOT / ".build" / "mutants" / str(number) for number in range(min(4, os.cpu_count() or 1))]
# What is copied. All of it becomes one module: a changed body then recompiles its own file and no module that imports it.
ORIGINS = {"Sim": "Sources/Sim", "Policies": "Sources/Policies", "Torture": "Sources/Torture", "TestSupport": "Tests/TestSupport"}
PACKAGE = """// swift-tools-version: 6.1
import PackageDescription

let package = Package(
  name: "mutants",
  platforms: [.macOS(.v15)],
  dependencies: [.package(url: "https://github.com/apple/swift-collections", exact: "%s")],
  targets: [
    .executableTarget(name: "laws", dependencies: [.product(name: "HeapModule", package: "swift-collections")])
  ]
)
"""
# Seconds for one suite on one seed, which takes a tenth of one: what says nothing for so long does not end.
LONGEST_TRIAL = 20
IMPORT = re.compile(rf"^(?:@_spi\(\w+\) )?import (?:{'|'.join(ORIGINS)})$", re.MULTILINE)


def write_if_changed(path, text):
    """Keeps the time of a file that stays the same, so that builds are incremental."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists() or path.read_text() != text:
        path.write_text(text)


def copy_tree(work):
    """Makes a working package equal to the tree; returns its Swift files by their path in the tree."""
    manifest = (ROOT / "Package.swift").read_text()
    version = re.search(r'swift-collections", exact: "([^"]+)"', manifest).group(1)
    write_if_changed(work / "Package.swift", PACKAGE % version)
    sources = work / "Sources/laws"
    write_if_changed(sources / "main.swift", IMPORT.sub("", (HERE / "Laws.swift").read_text()))
    copied = {}
    for module, origin in ORIGINS.items():
        for source in sorted((ROOT / origin).rglob("*.swift")):
            # A module has no two files of one name.
            copy = sources / module / f"{module}-{source.name}"
            write_if_changed(copy, IMPORT.sub("", source.read_text()))
            copied[str(source.relative_to(ROOT))] = copy
    for stale in set(sources.rglob("*.swift")) - {sources / "main.swift", *copied.values()}:
        stale.unlink()
    return copied


def build(work):
    """Returns the compiler's errors, empty if there are none."""
    # Optimised file by file: laws run ten times as fast as in debug, and a changed file is compiled alone as there. With
    # assertions, which print their sentence.
    command = ["swift", "build", "--product", "laws", "-Xswiftc", "-O", "-Xswiftc", "-assert-config", "-Xswiftc", "Debug"]
    done = subprocess.run(command, cwd=work, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return "" if done.returncode == 0 else done.stdout


def run_laws(work, seeds, suites):
    """Returns (law, seed) of the first violation, or None. A trap's law is the sentence it prints."""
    command = [str(work / ".build/debug/laws"), str(seeds), *suites]
    environment = {"SWIFT_BACKTRACE": "enable=no", "PATH": "/usr/bin:/bin"}
    log = work / "laws.log"
    with open(log, "w") as out, subprocess.Popen(command, env=environment, stdout=out, stderr=subprocess.STDOUT) as laws:
        while True:
            said = log.stat().st_size
            try:
                code = laws.wait(LONGEST_TRIAL)
                break
            except subprocess.TimeoutExpired:
                if log.stat().st_size == said:
                    laws.kill()
                    return "no run goes on for ever", last_trial(log.read_text(errors="replace"))
    output = log.read_text(errors="replace")
    if code == 0:
        return None
    violated = re.search(r"law violated: (.*?) seed (\d+): (.*)", output)
    if violated:
        return violated.group(1), f"{last_trial(output)} ({violated.group(3)[:60]}…)"
    if code == 1:
        return output.splitlines()[-1][:120], last_trial(output)  # What the engine refuses of a policy.
    trap = re.search(r"(?:Fatal error|Precondition failed): (.*)", output)
    return "trap: " + (trap.group(1) if trap else f"signal {-code}"), last_trial(output)


def last_trial(output):
    trials = re.findall(r"trying (\S+ seed \d+)", output)
    return trials[-1] if trials else "?"


def plant(bug, copies):
    """Returns (law, seed) of what caught the bug, or None. `copies` is a queue of (folder, files) to work in."""
    work, files = copies.get()
    file = files[bug["file"]]
    original = file.read_text()
    try:
        file.write_text(original.replace(bug["find"], bug["replace"]))
        errors = build(work)
        if errors:
            raise SystemExit(f"{bug['name']} does not compile:\n{errors}")
        return run_laws(work, bug.get("seeds", 100), bug["suites"])
    finally:
        file.write_text(original)
        copies.put((work, files))


def main():
    arguments = sys.argv[1:]
    bugs = json.loads((HERE / "mutants.json").read_text())
    unknown = set(arguments) - {"--texts"} - {bug["name"] for bug in bugs}
    if unknown:
        sys.exit(f"no such bug: {', '.join(sorted(unknown))}")
    start = time.time()
    for bug in bugs:
        count = (ROOT / bug["file"]).read_text().count(bug["find"])
        if count != 1:
            sys.exit(f"{bug['name']}: its text occurs {count} times in {bug['file']}, not once: {bug['find']}")
    if arguments == ["--texts"]:
        print(f"the texts of {len(bugs)} bugs are there")
        return

    with concurrent.futures.ThreadPoolExecutor(len(COPIES)) as pool:
        copies = queue.SimpleQueue()
        trees = [(work, copy_tree(work)) for work in COPIES]
        for errors in pool.map(build, COPIES):
            if errors:
                sys.exit(errors)
        for tree in trees:
            copies.put(tree)
        caught = run_laws(COPIES[0], 4, [])
        if caught:
            sys.exit(f"the unmutated tree violates a law: {caught[0]}: {caught[1]}")

        chosen = [bug for bug in bugs if not arguments or bug["name"] in arguments]
        missed = []
        print("| bug | caught by | at |\n|---|---|---|")
        for bug, caught in zip(chosen, pool.map(lambda bug: plant(bug, copies), chosen)):
            if not caught:
                missed.append(bug["name"])
            law, where = caught or ("NOTHING", "-")
            print(f"| {bug['name']} | {law} | {where} |", flush=True)
    print(f"{len(chosen) - len(missed)} of {len(chosen)} planted bugs caught in {time.time() - start:.0f} s")
    if missed:
        sys.exit(f"not caught: {', '.join(missed)}")


if __name__ == "__main__":
    main()
