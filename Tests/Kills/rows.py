"""All that a database of infinite-sim says, row by row, so that two can be compared.

Left out are ids of rows, which follow the order in which runs ended, and wall times (`started_at`, `finished_at`).
References are told by what they refer to: a run by its manifest, a decision by its place among those of its run.

    rows.py A.db B.db      compares; exit code 1 and the first differences if they are not equal
"""

import contextlib
import sqlite3
import sys

LEFT_OUT = {"id", "run_id", "sweep_id", "decision_id", "started_at", "finished_at"}


def connect(path, timeout=30):
    return contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=timeout))


def integrity(path):
    """What SQLite says of the file; "ok" if all is well."""
    with connect(path) as db:
        return "; ".join(row[0] for row in db.execute("PRAGMA integrity_check"))


def rows(path):
    """The sorted rows of all tables as texts."""
    with connect(path) as db:
        db.row_factory = sqlite3.Row
        tables = [row[0] for row in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")]
        runs = {row["id"]: row["manifest_hash"] for row in db.execute("SELECT id, manifest_hash FROM run")}
        sweeps = {row["id"]: row["name"] for row in db.execute("SELECT id, name FROM sweep")}
        decisions = {}
        found = []
        for table in sorted(tables, key=lambda name: name != "decision"):
            ordered = table in ("decision", "instance_sample")
            place = {}
            for row in db.execute(f"SELECT * FROM {table}" + (" ORDER BY id" if ordered else "")):
                columns = row.keys()
                parts = [table]
                if "run_id" in columns:
                    parts.append("run " + str(runs.get(row["run_id"])))
                if "sweep_id" in columns:
                    parts.append("sweep " + str(sweeps.get(row["sweep_id"])))
                if ordered:
                    place[row["run_id"]] = place.get(row["run_id"], 0) + 1
                    parts.append(f"number {place[row['run_id']]}")
                    if table == "decision":
                        decisions[row["id"]] = parts[1] + " " + parts[2]
                if "decision_id" in columns:
                    parts.append("decision " + decisions[row["decision_id"]])
                parts += [f"{name}={row[name]!r}" for name in columns if name not in LEFT_OUT]
                found.append(" ".join(parts))
    return sorted(found)


def doubled(path):
    """Manifests of runs that are there twice with the same rows kept."""
    with connect(path) as db:
        return [row[0] for row in db.execute("SELECT manifest_hash FROM run GROUP BY manifest_hash, kept HAVING count(*) > 1")]


def differences(first, second, most=6):
    """Rows that only one of two lists has."""
    a, b = set(first), set(second)
    lines = [f"only in the first: {row[:300]}" for row in sorted(a - b)]
    lines += [f"only in the second: {row[:300]}" for row in sorted(b - a)]
    if not lines and len(first) != len(second):
        lines = [f"{len(first)} rows and {len(second)}: some are there twice"]
    return lines[:most]


if __name__ == "__main__":
    first, second = (rows(path) for path in sys.argv[1:3])
    for line in differences(first, second):
        print(line)
    print(f"{len(first)} and {len(second)} rows, {'equal' if first == second else 'NOT EQUAL'}")
    sys.exit(first != second)
