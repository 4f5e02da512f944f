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
import contextlib
import csv
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

from cases import CASES, COMMON, LENGTHY, ROOT
from outputs import OUTPUTS, SWEEP

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


def with_logs(names):
    """A database may leave its log beside it."""
    return {name + suffix for name in names for suffix in ("", "-wal", "-shm")}


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
        wrong = changes(before, tree(folder)) - with_logs(changed)
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
    if output.keeps or output.draws:
        return  # its database may not grow either, nor what gnuplot is given
    old(folder / "there")
    script = 'ulimit -f 0; exec "$0" "$@"'
    before = tree(folder)
    found = subprocess.run(
        ["sh", "-c", script, lab.program, *output.command("there")], cwd=folder, env=lab.environment, capture_output=True,
        stdin=subprocess.DEVNULL, timeout=LIMIT)
    check(found.returncode == 1, f"exit code {found.returncode} instead of 1: {found.stderr[:200]}")
    check(b"there: cannot be written: File too large" in found.stderr, f"{found.stderr[:200]}")
    check(tree(folder) == before, "something changed")


def to_compressed_name(lab, name, output, folder):
    old(folder / "there")
    (folder / "link").symlink_to("there.gz")
    for path in ("new.csv.gz", "new.zst", "new.csv.GZ", "new.tgz", "link"):
        lab.expect(output.command(path), folder, 64, "plain text")


def to_plain_beside_full_stdout(lab, name, output, folder):
    """What is printed is lost, so nothing appears."""
    old(folder / "there")
    os.link(folder / "there", folder / "name")
    for path in ("new", "there"):
        with open("/dev/full", "wb") as full:
            lab.expect(output.command(path), folder, 1, "stdout: cannot be written: No space left", changed=output.keeps, stdout=full)


def to_plain_beside_nobody(lab, name, output, folder):
    read, write = os.pipe()
    os.close(read)
    before = tree(folder)
    code, _, err = lab.run(output.command("new"), folder, stdout=write)
    os.close(write)
    check(code == 141, f"exit code {code} instead of 141: {err[:200]}")
    check(not changes(before, tree(folder)) - with_logs(output.keeps), "something is left")


def in_a_namespace(lab, script, folder, arguments):
    """Runs a script as root with mounts of its own; its exit code, or nothing where that is not possible."""
    if os.geteuid() != 0 or subprocess.run(["unshare", "-m", "true"], capture_output=True).returncode != 0:
        return None
    return subprocess.run(
        ["unshare", "-m", "sh", "-ec", script, lab.program, *arguments], cwd=folder, env=lab.environment, capture_output=True,
        stdin=subprocess.DEVNULL, timeout=LIMIT)


def to_mount_point(lab, name, output, folder):
    """As `docker -v FILE:FILE` makes it: it cannot be renamed over."""
    old(folder / "there")
    old(folder / "mine")
    found = in_a_namespace(
        lab, 'mount --bind there mine; "$0" "$@"', folder, output.command("mine"))
    if found is None:
        return
    check(found.returncode == 0, f"exit code {found.returncode}: {found.stderr[:200]}")
    check((folder / "there").read_bytes() == reference(lab, name)[0], "it is not what a plain file would be")
    check(not [path for path in os.listdir(folder) if ".partial-" in path], "something is left")


def to_name_on_full_disk(lab, name, output, folder):
    """One of two names of a file, and no room: the old text stays."""
    (folder / "disk").mkdir()
    script = """
        mount -t tmpfs -o size=64k none disk; printf old > disk/one; ln disk/one disk/two
        cat /dev/zero > disk/filler 2> /dev/null || true
        code=0; "$0" "$@" || code=$?
        [ "$(cat disk/two)" = old ] || exit 99
        [ "$(ls disk)" = "$(printf 'filler\none\ntwo')" ] || exit 98
        exit $code
        """
    found = in_a_namespace(lab, script, folder, output.command("disk/one"))
    if found is not None:
        check(found.returncode == 1, f"exit code {found.returncode}: {found.stderr[:200]}")
        check(b"disk/one: cannot be written: No space left" in found.stderr, f"{found.stderr[:200]}")


PLACES = [
    to_folder, to_missing_folder, to_below_a_file, to_input, to_link_to_input, to_name_of_input, to_full_disk, to_null, to_link,
    to_device, to_dangling_link, to_hard_link, to_fifo, to_stdout, to_nobody, to_read_only_folder, to_read_only_file,
    to_file_size_limit, to_compressed_name, to_plain_beside_full_stdout, to_plain_beside_nobody, to_mount_point,
    to_name_on_full_disk,
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


def stopped(lab, number, code, impatient=False):
    """It waits for a reader of the FIFO, and another output is half done."""
    folder = lab.make({"fifo": os.mkfifo, "there": "old"})
    before = tree(folder)
    process = lab.start([*RUN, "--requests-out", "fifo", "--timeline", "there"], folder)
    end = time.monotonic() + LIMIT
    while not any(".partial-" in name for name in os.listdir(folder)):
        check(time.monotonic() < end and process.poll() is None, "nothing is written")
        time.sleep(0.002)
    process.send_signal(number)
    # As fast as they come: ^C held down, a terminal that is closed.
    while impatient and process.poll() is None:
        process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=LIMIT)
    # Of two that wait the system delivers the lower number first, whichever was sent first.
    codes = {code, 128 + signal.SIGINT} if impatient else {code}
    check(process.returncode in codes, f"exit code {process.returncode} instead of {sorted(codes)}: {err}")
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


SLOW = [
    "run", "--trace", "paper:1,requests=600000", "--policy", "vllm-m", "--gpus-per-node", "1", "--quiet",
    "--max-model-len", "10000000"]


def stopped_slurm(lab):
    """A sweep under Slurm tells what goes on there only if something does. Slurm's commands are stood in for."""
    folder = lab.make({
        "bin/squeue": "#!/bin/sh\n[ ! -e jobs ] || printf '1\\n2\\n'\ntouch asked\n",
        "bin/sbatch": "#!/bin/sh\n[ -e takes ] || exec sleep 100\ntouch jobs\necho 14\n"})
    for name in ("squeue", "sbatch"):
        (folder / "bin" / name).chmod(0o755)
    command = ["sweep", "s.yaml", "--db", "x.db", "--engine", "slurm", "--chunks", "2", "--quiet"]

    def stop(when, says, never):
        process = subprocess.Popen(
            [lab.program, *command], cwd=folder, env={**lab.environment, "PATH": f"{folder}/bin:{os.environ['PATH']}"},
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        end = time.monotonic() + LIMIT
        while not when():
            check(time.monotonic() < end and process.poll() is None, f"ended: {process.poll()}")
            time.sleep(0.01)
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=LIMIT)
        err = err.decode()
        check(process.returncode == 143 and says in err and never not in err, f"{process.returncode} says {err}")
        check(not (folder / "x.db").exists(), "an empty database is left")

    def polled():
        (folder / "asked").unlink(missing_ok=True)
        end = time.monotonic() + LIMIT
        while not (folder / "asked").exists() and time.monotonic() < end:
            time.sleep(0.01)
        time.sleep(0.3)
        return True

    # Nobody knows whether sbatch got through.
    stop(lambda: (folder / "asked").exists() and (time.sleep(0.5) or True), "tasks that Slurm has go on (scancel --name=infinite-sim-", "nothing")
    (folder / "takes").touch()
    stop(lambda: (folder / "jobs").exists() and polled(), "ends them); the same command goes on from there", "nothing was kept")
    (folder / "jobs").unlink()
    slow = folder / "bin" / "squeue"
    slow.write_text("#!/bin/sh\ntouch asking\nexec sleep 100\n")
    stop(lambda: (folder / "asking").exists(), "nothing was kept; the same command begins again", "Slurm")


def failed_new_database(lab):
    """A full disk: no database is left that holds nothing; one that has the run is whole."""
    folder = lab.make({"broken.db": "no database"})
    before = tree(folder)
    for blocks in (0, 1, 4, 8, 16, 32, 64, 100, 128, 160, 200, 400):
        found = subprocess.run(
            ["sh", "-c", f'ulimit -f {blocks}; exec "$0" "$@" 2>&1 >/dev/null', lab.program, *RUN, "--db", "new.db"], cwd=folder,
            env=lab.environment, capture_output=True, timeout=LIMIT)
        if found.returncode == 0:
            with sqlite3.connect(folder / "new.db") as db:
                check(db.execute("SELECT status FROM run").fetchall() == [("completed",)], f"{blocks} blocks: no run")
            db.close()
            (folder / "new.db").unlink()
        check(tree(folder) == before, f"{blocks} blocks, exit code {found.returncode}: left {changes(before, tree(folder))}")
    lab.expect(["merge", "new.db", "broken.db"], folder, 65)


def step_by_step_and_a_database(lab):
    """It is compared with the run that is kept, and is none that answers: its count of events is its own."""
    folder = lab.make({})
    alone = lab.expect([*RUN, "--json"], folder, 0)[0]
    lab.expect([*RUN, "--step-by-step", "--db", "x.db"], folder, 0)
    first = lab.expect([*RUN, "--json", "--db", "x.db"], folder, 0, changed={"x.db"})[0]
    _, err = lab.expect([*RUN[:-1], "--step-by-step", "--db", "x.db"], folder, 0)
    check("note: nothing is kept of a run step by step; one that x.db holds must have its fingerprint" in err, f"says {err}")
    again = lab.expect([*RUN, "--json", "--db", "x.db"], folder, 0, changed={"x.db"})[0]
    check(alone == first == again, "another answer")
    db = sqlite3.connect(folder / "x.db")
    db.execute("UPDATE run SET summary = replace(summary, fingerprint, '0000000000000000'), fingerprint = '0000000000000000'")
    db.commit()
    db.close()
    lab.expect([*RUN, "--step-by-step", "--db", "x.db"], folder, 1, "the same manifest gave fingerprint")


def stop_run(lab, folder, database, meanwhile=lambda: None):
    """Stops a run that keeps itself in a database, when that is there and the run holds it for writing."""
    process = lab.start([*SLOW, "--db", database], folder)
    end = time.monotonic() + LIMIT
    while True:
        check(time.monotonic() < end and process.poll() is None, f"no run holds the database: {process.poll()}")
        time.sleep(0.05)
        try:
            db = sqlite3.connect(f"file:{folder}/{database}?mode=rw", uri=True, timeout=0, isolation_level=None)
        except sqlite3.OperationalError:  # not there yet
            continue
        made = False
        with contextlib.closing(db), contextlib.suppress(sqlite3.OperationalError):
            db.execute("SELECT * FROM run").fetchall()
            made = True
            db.execute("BEGIN IMMEDIATE")
            db.execute("ROLLBACK")
            made = False
        if made:
            break
    meanwhile()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=LIMIT)
    check(process.returncode == 130 and not out, f"exit code {process.returncode}: {err}")
    return err.decode()


def stopped_new_database(lab):
    """It holds nothing, so it goes; also by a link, which stays."""
    folder = lab.make({"link.db": lambda path: path.symlink_to("target.db")})
    before = tree(folder)
    err = stop_run(lab, folder, "new.db")
    check("nothing was kept; the same command begins again" in err, f"says {err}")
    check(tree(folder) == before, f"left {changes(before, tree(folder))}")


def stopped_old_database(lab):
    """What it holds is said, and stays; so does one that another process has open."""
    folder = lab.make({})
    lab.expect([*RUN, "--db", "old.db"], folder, 0, changed={"old.db"})
    with sqlite3.connect(folder / "old.db") as db:  # its log is there until this is closed
        db.execute("SELECT * FROM run").fetchall()
        err = stop_run(lab, folder, "old.db")
        # The log is not in it yet: who copies the database must take both.
        check("1 complete run is kept in old.db, with old.db-wal beside it; the same command begins again" in err, f"says {err}")
        check(db.execute("SELECT count(*) FROM run").fetchone()[0] == 1, "the run is gone")
    db.close()
    others = []

    def open_it():
        others.append(sqlite3.connect(folder / "new.db"))
        others[0].execute("SELECT * FROM run").fetchall()

    stop_run(lab, folder, "new.db", open_it)
    check((folder / "new.db").exists(), "a database that is in use is gone")
    others[0].close()


# Databases that are only read


READERS = [
    ["show", "request", "0", "--run", "1", "--db", "a/x.db"], ["show", "request", "0", "--run", "1", "--json", "--db", "a/x.db"],
    ["report", "--db", "a/x.db", "--figure", "kv-use where run == 1"], ["diff", "a/x.db", "b/x.db"], ["merge", "out.db", "a/x.db", "b/x.db"]]


def readable(lab, logs):
    """A folder with two databases, whose last change is in a log if there are `logs`."""
    folder = lab.make({})
    # Sweeps keep no requests.
    lab.expect([*RUN, "--db", "s.db"], folder, 0, changed={"s.db"})
    lab.expect(SWEEP, folder, 0, changed={"s.db"})
    db = sqlite3.connect(folder / "s.db")
    if logs:
        db.execute("UPDATE run SET trace = 'from the log'")
        db.commit()
    for name in ("a", "b"):
        (folder / name).mkdir()
        for suffix in ("", *logs):
            shutil.copy(folder / f"s.db{suffix}", folder / name / f"x.db{suffix}")
    db.close()
    return folder


def read(lab, folder, logs, changed=frozenset(), **options):
    for arguments in READERS:
        out, _ = lab.expect(arguments, folder, 0, changed={"out.db", *changed}, **options)
        if arguments[0] == "show" and "--json" not in arguments and logs:
            check(b"from the log" in out, f"{arguments} does not see the log: {out[:200]}")
        check(arguments[0] == "merge" or out, f"{arguments} prints nothing")


def read_writable(lab, logs):
    folder = readable(lab, logs)
    names = set(tree(folder))
    # Readers leave their marks in an index that is there.
    read(lab, folder, logs, changed={"a/x.db", "b/x.db"} if "-shm" in logs else set())
    check(set(tree(folder)) - with_logs({"out.db"}) == names, "something was made")


def read_locked(lab, logs):
    folder = readable(lab, logs)
    for name in ("a", "b"):
        for file in (folder / name).iterdir():
            file.chmod(0o444)
        (folder / name).chmod(0o555)
    folder.chmod(0o777)
    read(lab, folder, logs, **nobody())


def read_mounted(lab, logs):
    folder = readable(lab, logs)
    before = tree(folder)
    for arguments in READERS:
        found = in_a_namespace(
            lab, 'for name in a b; do mount --bind $name $name; mount -o remount,ro,bind $name; done; "$0" "$@"', folder, arguments)
        if found is None:
            return
        check(found.returncode == 0, f"{arguments}: exit code {found.returncode}: {found.stderr[:300]}")
    check(not changes(before, tree(folder)) - with_logs({"out.db"}), "something changed")


def read_old_schema(lab):
    for version in (1, 2, 3):
        folder = lab.make({"a/x.db": (ROOT / f"Fuzz/seeds/database/schema-{version}").read_bytes()})
        (folder / "a/x.db").chmod(0o444)
        (folder / "a").chmod(0o555)
        for arguments in (["show", "request", "0", "--db", "a/x.db"], ["diff", "a/x.db", "a/x.db"]):
            lab.expect(arguments, folder, 65, f"found schema version {version}, expected ", **nobody())
        lab.expect(["show", "request", "0", "--db", "a/x.db"], folder, 65, "copy it to a folder that can be written", **nobody())


def read_unreadable(lab):
    folder = readable(lab, ())
    (folder / "a/x.db").chmod(0)
    lab.expect(READERS[0], folder, 66, "cannot be read: Permission denied", **nobody())


def cut_at_context(lab):
    """The output that a request asked for is in the file, also if the run is in a database already."""
    folder = lab.make({})
    command = [*RUN, "--max-model-len", "205", "--db", "new.db", "--requests-out"]
    for path in ("one", "two"):
        lab.expect([*command, path], folder, 0, changed={path, "new.db"})
    check((folder / "one").read_bytes() == (folder / "two").read_bytes(), "the second time it is another file")
    with open(folder / "one") as file:
        rows = list(csv.DictReader(file))
    check([row["output_tokens"] for row in rows] == ["10", "5", "5"], f"{rows}")
    check([row["asked_output_tokens"] for row in rows] == ["10", "20", "5"], f"{rows}")


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
    for arguments in (["--help"], ["--version"], ["help", "run"], ["run", "--help"], ["--generate-completion-script", "bash"]):
        for ending, code in ((">&-", 1), (">/dev/full", 1), (">/dev/null", 0)):
            found = subprocess.run(
                ["sh", "-c", f'exec "$0" "$@" {ending}', lab.program, *arguments], cwd=folder, env=lab.environment,
                capture_output=True, timeout=LIMIT)
            check(found.returncode == code, f"{arguments} {ending}: exit code {found.returncode}: {found.stderr}")
            check(code == 0 or b"stdout: cannot be written" in found.stderr, f"{arguments} {ending}: {found.stderr}")
    # Built beside it, unless only the program was.
    laws = pathlib.Path(lab.program).parent / "laws"
    for arguments in (["--list"], ["--help"], ["--suite", "conformance/vllm-m/vllm-v0", "--count", "1"]) if laws.exists() else ():
        for ending, code in ((">&-", 1), (">/dev/full", 1), (">/dev/null", 0)):
            found = subprocess.run(
                ["sh", "-c", f'exec "$0" "$@" {ending}', laws, *arguments], cwd=folder, env=lab.environment, capture_output=True,
                timeout=LIMIT)
            check(found.returncode == code, f"laws {arguments} {ending}: exit code {found.returncode}: {found.stderr}")
            check(code == 0 or b"error: stdout: " in found.stderr, f"laws {arguments} {ending}: {found.stderr}")


def stream_cases(lab):
    for number, code in ((signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)):
        yield f"stopped by {number.name}", lambda n=number, c=code: stopped(lab, n, c)
    for number in range(10):
        yield f"stopped twice, try {number}", lambda: stopped(lab, signal.SIGTERM, 143, impatient=True)
    yield "a run that is stopped removes its new database", lambda: stopped_new_database(lab)
    yield "a run that is stopped says what its database holds", lambda: stopped_old_database(lab)
    for logs in ((), ("-wal",), ("-wal", "-shm")):
        for read in (read_writable, read_locked, read_mounted):
            yield f"{read.__name__.replace('_', ' ')} {' '.join(logs)}", lambda r=read, s=logs: r(lab, s)
    yield "read an old schema that is locked", lambda: read_old_schema(lab)
    yield "read a database that may not be read", lambda: read_unreadable(lab)
    yield "outputs cut at the context", lambda: cut_at_context(lab)
    yield "a sweep that is stopped goes on", lambda: stopped_sweep(lab)
    yield "a sweep under Slurm that is stopped", lambda: stopped_slurm(lab)
    yield "a new database on a full disk", lambda: failed_new_database(lab)
    yield "step by step and a database", lambda: step_by_step_and_a_database(lab)
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
