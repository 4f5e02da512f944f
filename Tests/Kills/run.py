#!/usr/bin/env python3
"""Kills infinite-sim at random moments, fills its disk, locks its database, and checks that nothing is lost.

    Tests/Kills/run.py [--program PATH] [--kills 102] [--seed N]

A third of the kills each falls into the transaction of a run, into one of a shard's, and into a merge. That it does is not
left to chance: the process is stopped while it holds SQLite's write lock, is asked for the lock once more, and is killed
as it stands there. A kill counts if at that moment at least one point is committed and at least one is open.

After every kill `PRAGMA integrity_check` is ok, every point committed before is there, none is there twice. The same
command then resumes, is perhaps killed again, and in the end the database has the rows of an uninterrupted one.
"""

import argparse
import fcntl
import os
import pathlib
import random
import resource
import shutil
import signal
import sqlite3
import struct
import subprocess
import sys
import tempfile
import time

from rows import connect, differences, doubled, integrity, rows

STUDY = """\
study: kills
seeds: 2
options: {max-model-len: 10000000, gpus-per-node: 4, kv-blocks: 300, max-num-seqs: 16, trace: t.csv}
grids:
  - grid: many
    rows: requests
    axes:
      rate-scale: [1, 4, 8]
      lending: [passive, proactive]
    contenders: [vllm-m, debtor-creditor]
  - grid: samples
    rows: all
    options: {limit: 12, gpus-per-node: 2}
    axes: {rate-scale: [16]}
    contenders: [vllm-m, debtor-creditor]
expect:
  - value(debtor-creditor, rejected) == 0
"""
SHARDS = 3
WRITE_LOCK = 120  # the byte of the -shm file that a writer locks (sqlite.org/walformat.html, 2.3.1)


def fail(text):
    sys.exit(f"error: {text}")


def check(condition, text):
    if not condition:
        fail(text)


def make_inputs(folder):
    lines = ["arrival_s,input_tokens,output_tokens"]
    lines += [f"{i / 10},{100 + i * 37 % 900},{20 + i * 13 % 100}" for i in range(60)]
    lines.append("6.5,9000,50")  # larger than an instance: a common trace is needed
    (folder / "t.csv").write_text("\n".join(lines) + "\n")
    (folder / "s.yaml").write_text(STUDY)


class Lab:
    def __init__(self, program, folder, seed):
        self.program, self.folder, self.random = program, folder, random.Random(seed)
        self.kills = {}
        self.missed = 0
        self.resumed = 0
        self.committed = []
        # Of an uninterrupted sweep: the range from which moments are drawn.
        self.seconds = 0.1

    def start(self, *arguments, **options):
        return subprocess.Popen(
            [self.program, *arguments], cwd=self.folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
            **options)

    def run(self, *arguments, expect=0, **options):
        process = self.start(*arguments, **options)
        _, errors = process.communicate(timeout=120)
        check(process.returncode == expect, f"{arguments}: exit code {process.returncode} instead of {expect}: {errors}")
        return errors

    def path(self, name):
        return self.folder / name

    def points(self, name):
        """Committed points and the runs they are linked to; none where a stopped process lets nobody read."""
        if not self.path(name).exists():
            return set()
        with connect(self.path(name), timeout=0.2) as db:
            try:
                return set(db.execute(
                    "SELECT grid, label, axes, sweep_point.seed, heat, manifest_hash FROM sweep_point JOIN run ON run.id = run_id"))
            except sqlite3.OperationalError:  # locked, or no schema yet
                return set()

    def holds_write_lock(self, name, pid):
        try:
            with open(self.path(name + "-shm"), "rb") as file:
                found = fcntl.fcntl(file, fcntl.F_GETLK, struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, WRITE_LOCK, 1, 0))
        except FileNotFoundError:
            return False
        kind, _, _, _, holder = struct.unpack("hhqqi4x", found)
        return kind != fcntl.F_UNLCK and holder == pid

    def kill_in_transaction(self, kind, name, total, arguments):
        """Runs a command and kills it inside a transaction. False if it ended before."""
        process = self.start(*arguments)
        wait = time.monotonic() + self.random.uniform(0, {"run": 0.9, "shard": 0.5, "merge": 0}[kind] * self.seconds)
        while process.poll() is None:
            if time.monotonic() < wait or not self.holds_write_lock(name, process.pid):
                time.sleep(0.0002)
                continue
            time.sleep(self.random.uniform(0, 0.004))
            process.send_signal(signal.SIGSTOP)
            os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
            before = self.recovered(name)
            if self.holds_write_lock(name, process.pid) and 1 <= len(before) < total:
                process.kill()
                process.communicate()
                self.kills[kind] = self.kills.get(kind, 0) + 1
                self.committed.append(len(before) / total)
                self.check_after(name, before, kind)
                return True
            process.send_signal(signal.SIGCONT)
        _, errors = process.communicate()
        check(process.returncode == 0, f"{arguments}: exit code {process.returncode}: {errors}")
        self.missed += 1
        return False

    def recovered(self, name):
        """The points of a database whose writer is stopped, as SQLite finds them in a copy when it recovers. Others do not yet see a
        commit whose last frame is in the log but not in the index by which they read the log."""
        for suffix in ("", "-wal"):
            if self.path(name + suffix).exists():
                shutil.copyfile(self.path(name + suffix), self.path("copy.db" + suffix))
        try:
            return self.points("copy.db")
        finally:
            self.remove("copy.db")

    def check_after(self, name, before, kind):
        check(integrity(self.path(name)) == "ok", f"{kind}: the database is damaged after a kill: {integrity(self.path(name))}")
        after = self.points(name)
        check(before == after, f"{kind}: {len(before - after)} points lost and {len(after - before)} gained by a kill")
        check(not doubled(self.path(name)), f"{kind}: runs are there twice")

    def check_equal(self, name, expected, what):
        found = rows(self.path(name))
        check(found == expected, f"{what}: rows differ: " + "\n".join(differences(expected, found)))
        check(integrity(self.path(name)) == "ok", f"{what}: the database is damaged")
        check(not doubled(self.path(name)), f"{what}: runs are there twice")

    def remove(self, name):
        for suffix in ("", "-wal", "-shm"):
            self.path(name + suffix).unlink(missing_ok=True)


def kill_sweeps(lab, count, whole):
    total = len(lab.points("whole.db"))
    while lab.kills.get("run", 0) < count:
        lab.remove("cut.db")
        command = ("sweep", "s.yaml", "--db", "cut.db", "--jobs", "2", "--quiet")
        for _ in range(lab.random.randint(1, 4)):
            if not lab.kill_in_transaction("run", "cut.db", total, command):
                break
        lab.run(*command)
        lab.check_equal("cut.db", whole, "resumed sweep")
        lab.resumed += 1


def kill_shards(lab, count, whole):
    others = [f"shard-{i}.db" for i in range(1, SHARDS + 1)]
    while lab.kills.get("shard", 0) < count:
        index = lab.random.randint(1, SHARDS)
        lab.remove("cut.db")
        total = len(lab.points(others[index - 1]))
        expected = rows(lab.path(others[index - 1]))
        command = ("sweep", "s.yaml", "--shard", f"{index}/{SHARDS}", "--db", "cut.db", "--jobs", "2", "--quiet")
        for _ in range(lab.random.randint(1, 4)):
            if not lab.kill_in_transaction("shard", "cut.db", total, command):
                break
        lab.run(*command)
        lab.check_equal("cut.db", expected, "resumed shard")
        lab.remove("out.db")
        lab.run("merge", "out.db", "cut.db", *(name for i, name in enumerate(others, 1) if i != index), "--quiet")
        lab.check_equal("out.db", whole, "merge of a resumed shard")
        lab.resumed += 1


def kill_merges(lab, count, whole):
    total = len(lab.points("whole.db"))
    shards = [f"shard-{i}.db" for i in range(1, SHARDS + 1)]
    while lab.kills.get("merge", 0) < count:
        lab.remove("out.db")
        lab.run("merge", "out.db", lab.random.choice(shards), "--quiet", expect=1)  # points are missing
        command = ("merge", "out.db", *lab.random.sample(shards, SHARDS), "--quiet")
        for _ in range(lab.random.randint(1, 4)):
            if not lab.kill_in_transaction("merge", "out.db", total, command):
                break
        lab.run(*command)
        lab.check_equal("out.db", whole, "merge after kills")
        lab.resumed += 1


def two_at_once(lab, whole):
    for _ in range(3):
        lab.remove("both.db")
        both = [lab.start("sweep", "s.yaml", "--db", "both.db", "--jobs", "2", "--quiet") for _ in range(2)]
        both.append(lab.start("merge", "both.db", *(f"shard-{i}.db" for i in range(1, SHARDS + 1)), "--quiet"))
        for process in both:
            _, errors = process.communicate(timeout=120)
            check(process.returncode == 0, f"two at once: exit code {process.returncode}: {errors}")
        lab.check_equal("both.db", whole, "two sweeps and a merge at once")
    # All of them find no file: each makes it or waits for who does.
    for _ in range(8):
        lab.remove("both.db")
        both = [
            lab.start("run", "--trace", "t.csv", "--policy", "vllm-m", "--limit", str(20 + i), "--db", "both.db", "--quiet")
            for i in range(6)]
        for process in both:
            _, errors = process.communicate(timeout=120)
            check(process.returncode == 0, f"six on a new file: exit code {process.returncode}: {errors}")


def full_disk(lab, whole):
    """The file may not grow further: first by a limit of the process, then in a file system without room."""
    full = lab.path("whole.db").stat().st_size
    for share in (0.02, 0.3, 0.6, 0.9):
        lab.remove("full.db")
        limit = max(4096, int(full * share))
        errors = lab.run(
            "sweep", "s.yaml", "--db", "full.db", "--quiet", expect=1,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)))
        check("full.db: the database cannot be written" in errors, f"full disk: no clear error: {errors}")
        before = lab.points("full.db")
        check(not lab.path("full.db").exists() or integrity(lab.path("full.db")) == "ok", "full disk: damaged")
        lab.run("sweep", "s.yaml", "--db", "full.db", "--quiet")
        check(before <= lab.points("full.db"), "full disk: points were lost")
        lab.check_equal("full.db", whole, "sweep after a full disk")

    errors = None
    small = lab.path("small")
    small.mkdir()
    if os.geteuid() == 0 and subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={full // 2}", "none", small], stderr=subprocess.DEVNULL).returncode == 0:
        try:
            errors = lab.run("sweep", "s.yaml", "--db", "small/full.db", "--quiet", expect=1)
            check("full.db: the database cannot be written" in errors, f"full disk: no clear error: {errors}")
            check(integrity(lab.path("small/full.db")) == "ok", "full disk: damaged")
            for suffix in ("", "-wal"):
                shutil.copy(lab.path("small/full.db" + suffix), lab.path("full.db" + suffix))
            before = lab.points("full.db")
        finally:
            subprocess.run(["umount", small], check=True)
        lab.run("sweep", "s.yaml", "--db", "full.db", "--quiet")
        check(before <= lab.points("full.db"), "full disk: points were lost")
        lab.check_equal("full.db", whole, "sweep after a full disk")
    return "a file size limit and a full tmpfs" if errors else "a file size limit (no tmpfs can be mounted here)"


def nobody():
    """To be called in a child: root may write anywhere."""
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)


def read_only(lab, whole):
    folder = lab.path("read-only")
    folder.mkdir()
    for name in ("s.yaml", "t.csv", "whole.db", "shard-1.db"):
        shutil.copy(lab.path(name), folder / name)
    for path in folder.iterdir():
        path.chmod(0o444)
    folder.chmod(0o555)
    for arguments in (
            ("sweep", "s.yaml", "--db", "read-only/new.db"), ("sweep", "s.yaml", "--db", "read-only/whole.db"),
            ("merge", "read-only/whole.db", "shard-1.db"), ("merge", "read-only/new.db", "shard-1.db")):
        errors = lab.run(*arguments, "--quiet", expect=1, preexec_fn=nobody)
        check("the database cannot be written" in errors, f"read-only: no clear error: {errors}")
    check(sorted(path.name for path in folder.iterdir()) == ["s.yaml", "shard-1.db", "t.csv", "whole.db"], "read-only: changed")
    folder.chmod(0o755)
    (folder / "whole.db").chmod(0o644)
    lab.check_equal("read-only/whole.db", whole, "database in a read-only folder")


class Locked:
    """A sweep while another process holds the write lock for longer than we wait."""

    def __init__(self, lab):
        self.lab = lab
        shutil.copy(lab.path("shard-1.db"), lab.path("locked.db"))
        self.other = sqlite3.connect(lab.path("locked.db"), isolation_level=None, timeout=30)
        self.other.execute("BEGIN IMMEDIATE")
        self.begin = time.monotonic()
        self.process = lab.start("sweep", "s.yaml", "--db", "locked.db", "--quiet")

    def finish(self, whole):
        _, errors = self.process.communicate(timeout=60)
        check(self.process.returncode == 1, f"locked: exit code {self.process.returncode}: {errors}")
        check("locked.db: the database is being written by another run" in errors, f"locked: no clear error: {errors}")
        self.other.rollback()
        self.other.close()
        self.lab.run("sweep", "s.yaml", "--db", "locked.db", "--quiet")
        self.lab.check_equal("locked.db", whole, "sweep after a lock")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--program", default=".build/release/infinite-sim")
    parser.add_argument("--kills", type=int, default=102)
    parser.add_argument("--seed", type=int, default=None)
    options = parser.parse_args()
    seed = options.seed if options.seed is not None else int.from_bytes(os.urandom(4), "little")
    print(f"seed {seed}", flush=True)
    begin = time.monotonic()

    with tempfile.TemporaryDirectory(prefix="kills-") as name:
        folder = pathlib.Path(name)
        folder.chmod(0o755)
        program = folder / "infinite-sim"
        shutil.copy(options.program, program)
        lab = Lab(program, folder, seed)
        make_inputs(folder)
        start = time.monotonic()
        lab.run("sweep", "s.yaml", "--db", "whole.db", "--quiet")
        lab.seconds = time.monotonic() - start
        whole = rows(lab.path("whole.db"))
        for i in range(1, SHARDS + 1):
            lab.run("sweep", "s.yaml", "--shard", f"{i}/{SHARDS}", "--db", f"shard-{i}.db", "--quiet")
        locked = Locked(lab)
        each = max(1, -(-options.kills // 3))
        kill_sweeps(lab, each, whole)
        kill_shards(lab, each, whole)
        kill_merges(lab, each, whole)
        two_at_once(lab, whole)
        disk = full_disk(lab, whole)
        read_only(lab, whole)
        locked.finish(whole)

        print(f"kills: {sum(lab.kills.values())}: {lab.kills['run']} in a run's transaction, {lab.kills['shard']} in a shard's, "
              f"{lab.kills['merge']} in a merge's; committed of all points at a kill: {min(lab.committed):.0%} to "
              f"{max(lab.committed):.0%}")
        print(f"after each: integrity ok, no point lost, none doubled; {lab.resumed} databases resumed to the end, each row-equal "
              f"to an uninterrupted one ({len(whole)} rows)")
        print(f"two sweeps and a merge on one file at once; {disk}; a read-only folder; a lock held for too long: "
              "a clear error, nothing lost")
        print(f"{time.monotonic() - begin:.0f} s")


if __name__ == "__main__":
    main()
