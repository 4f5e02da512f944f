#!/usr/bin/env python3
"""Gives infinite-sim malformed files, options and outputs, and checks what becomes of them.

    Tests/Hostile/run.py [--program PATH] [--jobs N] [--only WORD]

Every case is a command in a folder of its own, with its exact exit code and, where it matters, a piece of its sentence. A
command that fails prints nothing on stdout, says something on stderr and leaves its folder as it was, to the mode and the
number of links; one that succeeds changes what the case says and nothing else. Nothing is left among the temporary files, and
nothing beside the folder changes.
"""

import argparse
import concurrent.futures
import hashlib
import os
import pathlib
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
import tempfile
import threading
import time

from cases import CASES, COMMON, LENGTHY
from outputs import OUTPUTS

LIMIT = 60  # seconds for a command: none hangs


class Failure(Exception):
    pass


def check(condition, text):
    if not condition:
        raise Failure(text)


def tree(folder):
    """What can be seen of every file in a folder."""
    found = {}
    for path in sorted(pathlib.Path(folder).rglob("*")):
        at = path.lstat()
        kind = stat.S_IFMT(at.st_mode)
        content = os.readlink(path) if stat.S_ISLNK(at.st_mode) else ""
        if stat.S_ISREG(at.st_mode):
            content = hashlib.sha256(path.read_bytes()).hexdigest()
        found[str(path.relative_to(folder))] = (kind, stat.S_IMODE(at.st_mode), at.st_nlink, content)
    return found


def changes(before, after):
    return {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}


class Lab:
    def __init__(self, program, folder):
        self.program, self.folder = program, folder
        self.environment = {**os.environ, "TMPDIR": str(folder / "tmp"), "HOME": str(folder / "home"), "LC_ALL": "C.UTF-8"}
        self.references = {}
        self.lock = threading.Lock()
        self.count = 0

    def make(self, files):
        """A folder for a case, with the files that all have and its own."""
        with self.lock:
            self.count += 1
            folder = self.folder / "cases" / str(self.count)
        folder.mkdir(parents=True)
        for name, content in {**COMMON, **files}.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if callable(content):
                content(path)
            else:
                path.write_bytes(content.encode() if isinstance(content, str) else content)
        return folder

    def start(self, arguments, folder, **options):
        options = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
        return subprocess.Popen([self.program, *arguments], cwd=folder, env=self.environment, **options)

    def run(self, arguments, folder, **options):
        process = self.start(arguments, folder, **options)
        try:
            out, err = process.communicate(timeout=LIMIT)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            raise Failure(f"did not end within {LIMIT} s")
        return process.returncode, out or b"", err.decode(errors="replace")

    def expect(self, arguments, folder, code, says="", changed=(), **options):
        """Runs a command and holds what it did against what it should."""
        before = tree(folder)
        found, out, err = self.run(arguments, folder, **options)
        check(found == code, f"exit code {found} instead of {code}: {err[:300]}")
        check(says in err, f"does not say {says!r}: {err[:300]}")
        if code != 0:
            check(not out, f"failed, and wrote to stdout: {out[:100]!r}")
            check(err.strip(), "failed in silence")
        # A database may leave its log beside it.
        changed = {name + suffix for name in changed for suffix in ("", "-wal", "-shm")}
        wrong = changes(before, tree(folder)) - changed
        check(not wrong, f"changed {sorted(wrong)}")
        return out, err

    def refused(self, arguments, files, code, says):
        folder = self.make(files)
        try:
            self.expect(arguments, folder, code, says)
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def input_cases(lab):
    for group, name, arguments, files, code, says in CASES:
        yield f"{group}: {name}", lambda a=arguments, f=files, c=code, s=says: lab.refused(a, f, c, s)


# Outputs


def reference(lab, name):
    """What an output's command writes into a plain file, and what it prints."""
    with lab.lock:
        if name not in lab.references:
            lab.references[name] = concurrent.futures.Future()
            mine = True
        else:
            mine = False
    if mine:
        try:
            output = OUTPUTS[name]
            folder = lab.make({})
            out, _ = lab.expect(output.command("plain"), folder, 0, changed={"plain", *output.keeps})
            lab.references[name].set_result(((folder / "plain").read_bytes(), out))
        except Exception as error:
            lab.references[name].set_exception(error)
    return lab.references[name].result()


def old(path):
    path.write_text("old, and longer than what some commands write\n" * 200)


def to_folder(lab, name, output, folder):
    (folder / "there").mkdir()
    lab.expect(output.command("there"), folder, 64, "is a folder")


def to_missing_folder(lab, name, output, folder):
    lab.expect(output.command("no/new"), folder, 64, "there is no folder no")


def to_below_a_file(lab, name, output, folder):
    lab.expect(output.command("t.csv/new"), folder, 64, "there is no folder t.csv")


def to_input(lab, name, output, folder):
    lab.expect(output.command(output.input), folder, 64, "is the file of")


def to_link_to_input(lab, name, output, folder):
    (folder / "link").symlink_to(output.input)
    lab.expect(output.command("link"), folder, 64, "is the file of")


def to_name_of_input(lab, name, output, folder):
    os.link(folder / output.input, folder / "name")
    lab.expect(output.command("name"), folder, 64, "is the file of")


# Devices are named by a link: the fault that is looked for would destroy them.


def to_full_disk(lab, name, output, folder):
    (folder / "full").symlink_to("/dev/full")
    lab.expect(output.command("full"), folder, 1, "full: cannot be written: No space left", changed=output.keeps)


def to_null(lab, name, output, folder):
    (folder / "null").symlink_to("/dev/null")
    lab.expect(output.command("null"), folder, 0, changed=output.keeps)


def to_device(lab, name, output, folder):
    try:
        os.mknod(folder / "device", stat.S_IFCHR | 0o666, os.makedev(1, 3))  # /dev/null's
    except PermissionError:
        return  # only root may, and not everywhere
    lab.expect(output.command("device"), folder, 0, changed=output.keeps)


def to_link(lab, name, output, folder):
    old(folder / "target")
    (folder / "target").chmod(0o640)
    (folder / "link").symlink_to("target")
    lab.expect(output.command("link"), folder, 0, changed={"target", *output.keeps})
    check((folder / "target").read_bytes() == reference(lab, name)[0], "the target is not what a plain file would be")
    check(stat.S_IMODE((folder / "target").stat().st_mode) == 0o640, "the mode has changed")


def to_dangling_link(lab, name, output, folder):
    (folder / "link").symlink_to("new")
    lab.expect(output.command("link"), folder, 0, changed={"new", *output.keeps})
    check((folder / "new").read_bytes() == reference(lab, name)[0], "the target is not what a plain file would be")


def to_hard_link(lab, name, output, folder):
    old(folder / "one")
    os.link(folder / "one", folder / "two")
    inode = (folder / "two").stat().st_ino
    lab.expect(output.command("one"), folder, 0, changed={"one", "two", *output.keeps})
    for link in ("one", "two"):
        check((folder / link).stat().st_ino == inode, f"{link} is another file")
        check((folder / link).read_bytes() == reference(lab, name)[0], f"{link} is not what a plain file would be")


def to_fifo(lab, name, output, folder):
    os.mkfifo(folder / "fifo")
    # What is written is less than a pipe holds.
    with open(os.open(folder / "fifo", os.O_RDONLY | os.O_NONBLOCK), "rb") as reader:
        lab.expect(output.command("fifo"), folder, 0, changed=output.keeps)
        check(reader.read() == reference(lab, name)[0], "the FIFO did not get what a plain file would")


def to_stdout(lab, name, output, folder):
    content, printed = reference(lab, name)
    out, err = lab.expect(output.command("-"), folder, 0, changed=output.keeps)
    check(out == content, f"stdout is not what a plain file would be: {out[:100]!r}")
    summary = printed.decode().replace(" plain\n", " -\n")
    check(summary in err, "the summary is not on stderr")


def to_nobody(lab, name, output, folder):
    """The reader of stdout is gone: a quiet end."""
    read, write = os.pipe()
    os.close(read)
    before = tree(folder)
    code, _, err = lab.run(output.command("-"), folder, stdout=write)
    os.close(write)
    check(code == 141, f"exit code {code} instead of 141: {err[:200]}")
    check("error" not in err and "stdout" not in err, f"not quiet: {err[:200]}")
    check(not changes(before, tree(folder)) - set(output.keeps), "something is left")


def nobody():
    return {"user": 65534, "group": 65534, "extra_groups": []} if os.geteuid() == 0 else {}


def to_read_only_folder(lab, name, output, folder):
    (folder / "locked").mkdir(mode=0o555)
    os.chmod(folder, 0o777)
    lab.expect(output.command("locked/new"), folder, 1, "cannot be written: Permission denied", changed=output.keeps, **nobody())


def to_read_only_file(lab, name, output, folder):
    old(folder / "locked")
    (folder / "locked").chmod(0o444)
    os.chmod(folder, 0o777)
    lab.expect(output.command("locked"), folder, 1, "cannot be written: Permission denied", changed=output.keeps, **nobody())


def to_file_size_limit(lab, name, output, folder):
    """The file may not grow, as on a full disk: what is beside it goes, and what was there stays."""
    if output.keeps:
        return  # its database may not grow either
    old(folder / "there")
    script = 'ulimit -f 0; exec "$0" "$@"'
    before = tree(folder)
    found = subprocess.run(
        ["sh", "-c", script, lab.program, *output.command("there")], cwd=folder, env=lab.environment, capture_output=True,
        stdin=subprocess.DEVNULL, timeout=LIMIT)
    check(found.returncode == 1, f"exit code {found.returncode} instead of 1: {found.stderr[:200]}")
    check(b"there: cannot be written: File too large" in found.stderr, f"{found.stderr[:200]}")
    check(tree(folder) == before, "something changed")


PLACES = [
    to_folder, to_missing_folder, to_below_a_file, to_input, to_link_to_input, to_name_of_input, to_full_disk, to_null, to_link,
    to_device, to_dangling_link, to_hard_link, to_fifo, to_stdout, to_nobody, to_read_only_folder, to_read_only_file,
    to_file_size_limit,
]


def output_cases(lab):
    for name, output in OUTPUTS.items():
        for place in PLACES:
            def case(name=name, output=output, place=place):
                folder = lab.make({})
                try:
                    place(lab, name, output, folder)
                finally:
                    shutil.rmtree(folder, ignore_errors=True)
            yield f"output {name} {place.__name__.replace('_', ' ')}", case


# The end by a signal, and streams that are not there


RUN = ["run", "--trace", "t.csv", "--policy", "vllm-m", "--gpus-per-node", "1", "--quiet"]


def stopped(lab, number, code):
    """It waits for a reader of the FIFO, and another output is half done."""
    folder = lab.make({"fifo": os.mkfifo, "there": "old"})
    before = tree(folder)
    process = lab.start([*RUN, "--requests-out", "fifo", "--timeline", "there"], folder)
    end = time.monotonic() + LIMIT
    while not any(".partial-" in name for name in os.listdir(folder)):
        check(time.monotonic() < end and process.poll() is None, "nothing is written")
        time.sleep(0.002)
    process.send_signal(number)
    out, err = process.communicate(timeout=LIMIT)
    check(process.returncode == code, f"exit code {process.returncode} instead of {code}: {err}")
    check(not out and err.startswith(b"stopped by SIG") and err.count(b"\n") == 1, f"says {err}")
    check(tree(folder) == before, f"changed {changes(before, tree(folder))}")


def stopped_sweep(lab):
    """What is complete is kept, and the same command goes on."""
    folder = lab.make({"long.yaml": LENGTHY})
    command = ["sweep", "long.yaml", "--db", "long.db", "--jobs", "1", "--summary", "summary.md", "--quiet"]
    process = lab.start(command, folder)

    def kept():
        try:
            with sqlite3.connect(f"file:{folder}/long.db?mode=ro", uri=True, timeout=1) as db:
                return db.execute("SELECT count(*) FROM run WHERE status = 'completed'").fetchone()[0]
        except sqlite3.OperationalError:  # not there yet
            return 0

    end = time.monotonic() + LIMIT
    while kept() < 2:
        check(time.monotonic() < end and process.poll() is None, "no run is kept")
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=LIMIT)
    check(process.returncode == 143 and not out, f"exit code {process.returncode}, {out}")
    check(b"complete runs are kept in long.db" in err and b"command goes on from there" in err, f"says {err}")
    check(not (folder / "summary.md").exists(), "a summary of half a sweep")
    before = kept()
    check(before >= 2, "what was complete is lost")
    command.remove("--quiet")
    _, err = lab.expect(command, folder, 0, changed={"long.db", "summary.md"})
    check(f"{before} taken from long.db" in err, f"the sweep began again: {err}")


def database_by_a_link(lab):
    folder = lab.make({"link.db": lambda path: path.symlink_to("new.db")})
    lab.expect([*RUN, "--db", "link.db"], folder, 0, changed={"new.db"})
    lab.expect([*RUN, "--db", "new.db", "--requests-out", "link.db"], folder, 64, "is the file of --db")


def faults_without_end(lab):
    """The point fails, and says why; the sweep goes on."""
    faults = "random:\n  - {straggler: 0, factor: 2, mean-between-s: 1e-9, mean-repair-s: 1e-9}\n"
    study = COMMON["s.yaml"].replace("axes: {rate-scale: [1, 2]}", "axes: {faults: [bad.yaml, good.yaml]}")
    folder = lab.make({"bad.yaml": faults, "good.yaml": faults.replace("1e-9", "1e3"), "f.yaml": study})
    code, _, err = lab.run(["sweep", "f.yaml", "--db", "new.db", "--quiet"], folder)
    check(code == 1 and "1 points failed" in err and "straggler (instance 0) has begun 1000001 times" in err, f"{code}: {err}")


def no_stdout(lab):
    folder = lab.make({})
    before = tree(folder)
    for ending, code in ((">&-", 1), (">/dev/full", 1), ("2>&-", 0)):
        found = subprocess.run(
            ["sh", "-c", f'exec "$0" "$@" {ending}', lab.program, *RUN], cwd=folder, env=lab.environment, capture_output=True,
            timeout=LIMIT)
        check(found.returncode == code, f"{ending}: exit code {found.returncode} instead of {code}: {found.stderr}")
        check(code == 0 or b"stdout: cannot be written" in found.stderr, f"{ending}: {found.stderr}")
        check(tree(folder) == before, f"{ending}: something changed")


def stream_cases(lab):
    for number, code in ((signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)):
        yield f"stopped by {number.name}", lambda n=number, c=code: stopped(lab, n, c)
    yield "a sweep that is stopped goes on", lambda: stopped_sweep(lab)
    yield "a database by a link", lambda: database_by_a_link(lab)
    yield "faults without end in a sweep", lambda: faults_without_end(lab)
    yield "stdout and stderr that are closed or full", lambda: no_stdout(lab)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--program", default=".build/release/infinite-sim")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--only", default="", help="cases whose name has this word")
    options = parser.parse_args()
    begin = time.monotonic()

    with tempfile.TemporaryDirectory(prefix="hostile-") as name:
        folder = pathlib.Path(name)
        folder.chmod(0o755)
        program = folder / "infinite-sim"
        shutil.copy(options.program, program)
        for inner in ("tmp", "home", "cases"):
            (folder / inner).mkdir()
        (folder / "tmp").chmod(0o1777)
        (folder / "cases").chmod(0o755)
        lab = Lab(program, folder)
        cases = [
            case for case in (*output_cases(lab), *stream_cases(lab), *input_cases(lab)) if options.only in case[0]]
        failures = []

        def run(case):
            try:
                case[1]()
            except Exception as error:  # all are told
                failures.append(f"{case[0]}: {error if isinstance(error, Failure) else repr(error)}")

        with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
            list(pool.map(run, cases))
        left = [str(path.relative_to(folder)) for inner in ("tmp", "home") for path in (folder / inner).rglob("*")]
        if left:
            failures.append(f"left behind: {', '.join(left)}")
        beside = {path.name for path in folder.iterdir()} - {"tmp", "home", "cases", "infinite-sim"}
        if beside:
            failures.append(f"written outside: {', '.join(beside)}")

    for failure in failures:
        print(f"error: {failure}", file=sys.stderr)
    print(f"{len(cases)} hostile cases, {len(failures)} failures, {time.monotonic() - begin:.0f} s")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
