#!/usr/bin/env python3
"""Sweeps on a Slurm cluster of four virtual nodes, with things dying in the middle.

    Tests/Slurm/run.py [--program PATH]

Brings the cluster up (scripts/slurm-cluster) and, as a user who is not root, sweeps a study four times: undisturbed; with
the processes of a task killed in the middle of a point; with the slurmd of a node killed while its task runs; with the sweep
itself killed and started again. Each time the database must be row-equal to that of one machine, without a run twice. What
the sweep said is printed: lost chunks and the ids of the jobs that took them over.
"""

import argparse
import os
import pathlib
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "Tests" / "Kills"))
from rows import connect, differences, doubled, integrity, rows  # noqa: E402

NOBODY = 65534
STUDY = """\
study: slurm
seeds: 2
rows: requests
options: {max-model-len: 10000000, gpus-per-node: 4, kv-blocks: 300, max-num-seqs: 16, trace: t.csv}
axes:
  rate-scale: [1, 2, 4, 8]
  lending: [passive, proactive]
contenders: [vllm-m, debtor-creditor]
expect:
  - value(debtor-creditor, rejected) == 0
"""


def fail(text):
    sys.exit(f"error: {text}")


def check(condition, text):
    if not condition:
        fail(text)


def make_inputs(folder, requests):
    lines = ["arrival_s,input_tokens,output_tokens"]
    lines += [f"{i / 10},{100 + i * 37 % 900},{20 + i * 13 % 100}" for i in range(requests)]
    lines.append(f"{requests / 10},9000,50")  # larger than an instance: a common trace is needed
    (folder / "t.csv").write_text("\n".join(lines) + "\n")
    (folder / "s.yaml").write_text(STUDY)


def become_nobody():
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)


class Lab:
    def __init__(self, program, folder, cluster):
        self.program, self.folder, self.cluster = program, folder, cluster
        self.environment = dict(os.environ, SLURM_CONF=str(cluster / "slurm.conf"), HOME=str(folder))

    def slurm(self, *arguments):
        return subprocess.run(arguments, env=self.environment, check=True, capture_output=True, text=True).stdout

    def sweep(self, db, *options):
        return subprocess.Popen(
            [self.program, "sweep", "s.yaml", "--db", db, *options], cwd=self.folder, env=self.environment, text=True,
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, preexec_fn=become_nobody)

    def on_slurm(self, db):
        return self.sweep(db, "--engine", "slurm", "--chunks", "4")

    def finish(self, process, db, whole, what):
        try:
            _, log = process.communicate(timeout=120)
        except subprocess.TimeoutExpired:
            process.kill()
            fail(f"{what}: not done after 120 s: {process.communicate()[1]}{self.slurm('squeue')}{self.slurm('sinfo')}")
        print(f"-- {what}")
        print("".join(f"   {line}\n" for line in log.splitlines()), end="", flush=True)
        check(process.returncode == 0, f"{what}: exit code {process.returncode}")
        path = self.folder / db
        found = rows(path)
        check(found == whole, f"{what}: rows differ: " + "\n".join(differences(whole, found)))
        check(integrity(path) == "ok" and not doubled(path), f"{what}: damaged, or runs are there twice")
        check(not (self.folder / f"{db}.shards").exists(), f"{what}: shards are left behind")
        return log

    def tasks(self):
        """Processes of chunks that are running: (pid, node)."""
        found = []
        for entry in pathlib.Path("/proc").iterdir():
            try:
                command = (entry / "cmdline").read_bytes().split(b"\0")
                if b"--shard" in command and command[0].decode() == str(self.program):
                    variables = dict(v.split(b"=", 1) for v in (entry / "environ").read_bytes().split(b"\0") if b"=" in v)
                    found.append((int(entry.name), variables[b"SLURMD_NODENAME"].decode()))
            except (OSError, KeyError, ValueError):
                continue
        return found

    def task_in_mid_sweep(self):
        """A task that has committed a point and not all of them, stopped."""
        end = time.monotonic() + 30
        while time.monotonic() < end:
            for pid, node in self.tasks():
                try:
                    os.kill(pid, signal.SIGSTOP)
                    command = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
                except OSError:
                    continue
                shard = command[command.index(b"--db") + 1].decode()
                try:
                    with connect(shard, timeout=0.1) as found:
                        points = found.execute("SELECT count(*) FROM sweep_point").fetchone()[0]
                except sqlite3.OperationalError:
                    points = 0
                if points >= 1 and not os.path.exists(shard.rsplit(".", 2)[0] + ".done"):
                    return pid, node, points
                os.kill(pid, signal.SIGCONT)
            time.sleep(0.002)
        fail(f"no task was found in mid-sweep: {self.slurm('squeue')}{self.slurm('sinfo')}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--program", default=ROOT / ".build/release/infinite-sim")
    parser.add_argument("--requests", type=int, default=4000)
    options = parser.parse_args()
    begin = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="slurm-") as name:
        folder = pathlib.Path(name)
        folder.chmod(0o755)
        work, cluster = folder / "work", folder / "cluster"
        work.mkdir()
        program = folder / "infinite-sim"
        shutil.copy(options.program, program)
        make_inputs(work, options.requests)
        os.chown(work, NOBODY, NOBODY)
        scripts = ROOT / "scripts" / "slurm-cluster"
        subprocess.run([scripts, "start", cluster], check=True, stdout=subprocess.DEVNULL)
        try:
            lab = Lab(program, work, cluster)
            alone = lab.sweep("whole.db")
            _, errors = alone.communicate()
            check(alone.returncode == 0, f"on one machine: {errors}")
            whole = rows(work / "whole.db")

            lab.finish(lab.on_slurm("plain.db"), "plain.db", whole, "undisturbed")

            process = lab.on_slurm("task.db")
            pid, node, points = lab.task_in_mid_sweep()
            os.kill(pid, signal.SIGKILL)
            log = lab.finish(process, "task.db", whole, f"kill -9 of a task on {node} with {points} points committed")
            check(len(re.findall(r"slurm: job \d+: ", log)) == 2 and "try 2 of 3" in log, "the new job is not named")

            process = lab.on_slurm("driver.db")
            pid, _, _ = lab.task_in_mid_sweep()
            process.kill()
            first = process.communicate()[1]
            os.kill(pid, signal.SIGCONT)
            log = lab.finish(lab.on_slurm("driver.db"), "driver.db", whole, "kill -9 of the sweep itself, and the same command again")
            check("slurm: job" in first and "slurm: job" not in log, "the second sweep did not find the first one's job")

            process = lab.on_slurm("node.db")
            pid, node, points = lab.task_in_mid_sweep()
            daemon = int((cluster / f"slurmd.{node}.pid").read_text())
            os.kill(daemon, signal.SIGKILL)
            log = lab.finish(process, "node.db", whole, f"kill -9 of the slurmd of {node}, whose task hangs with {points} points committed")
            check(len(re.findall(r"slurm: job \d+: ", log)) == 2 and "try 2 of 3" in log, "the new job is not named")
            check(node in lab.slurm("sinfo", "--noheader", "--states=down", "--format=%N"), f"{node} is not down")
            os.kill(pid, signal.SIGKILL)
        finally:
            subprocess.run([scripts, "stop", cluster], check=True)
        print(f"4 sweeps on 4 nodes as a user who is not root: each row-equal to one machine's ({len(whole)} rows), no run twice; "
              f"{time.monotonic() - begin:.0f} s")


if __name__ == "__main__":
    main()
