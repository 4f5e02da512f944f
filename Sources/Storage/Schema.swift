import GRDB

/// One step of the database's history. Steps are only ever appended, never changed.
package struct SchemaStep: Sendable {
  package var name: String
  package var migrate: @Sendable (Database) throws -> Void

  package init(name: String, migrate: @escaping @Sendable (Database) throws -> Void) {
    self.name = name
    self.migrate = migrate
  }
}

/// The database's schema: version N is what the first N steps make.
package enum Schema {
  /// "iSim" in ASCII: tells our databases from those of other programs (`PRAGMA application_id`).
  static let applicationID: Int32 = 0x6953_696d

  /// The tables whose rows belong to one run by a column `run_id`, a table before those that refer to it, and what
  /// puts a run's rows in order. `move_grounds` hangs on `decision`.
  package static let tablesOfRuns = [
    (name: "request", key: "request_id"), (name: "request_account", key: "request_id"),
    (name: "instance_work", key: "instance"), (name: "instance_sample", key: "id"),
    (name: "decision", key: "id"),
  ]

  package static let steps = [
    SchemaStep(name: "run, request, instance_sample, decision") { db in
      try db.execute(
        sql: """
          -- One row per run. The columns after `summary` repeat its main figures, for queries.
          CREATE TABLE run (
            id INTEGER PRIMARY KEY,
            manifest TEXT NOT NULL CHECK (json_valid(manifest)),
            manifest_hash TEXT NOT NULL,
            -- 'running' is seen only inside the transaction that writes the run.
            status TEXT NOT NULL CHECK (status IN ('running', 'completed', 'failed')),
            error TEXT CHECK ((status = 'failed') = (error IS NOT NULL)),
            fingerprint TEXT CHECK ((status = 'completed') = (fingerprint IS NOT NULL)),
            program_version TEXT NOT NULL,
            policy TEXT NOT NULL,
            trace TEXT NOT NULL,
            seed INTEGER NOT NULL,
            started_at TEXT NOT NULL,
            finished_at TEXT,
            summary TEXT CHECK (summary IS NULL OR json_valid(summary)),
            arrived INTEGER, completed INTEGER, rejected INTEGER, unfinished INTEGER, preemptions INTEGER,
            output_tokens INTEGER, wasted_tokens INTEGER,
            makespan_s REAL, output_tokens_per_s REAL, window_output_tokens_per_s REAL, load TEXT,
            ttft_p50_s REAL, ttft_p99_s REAL, tpot_p50_s REAL, tpot_p99_s REAL, e2e_p50_s REAL, e2e_p99_s REAL,
            max_context_tokens INTEGER
          ) STRICT;
          CREATE INDEX run_manifest ON run (manifest_hash);

          -- One row per request that ended. Times are picoseconds since the first arrival.
          CREATE TABLE request (
            run_id INTEGER NOT NULL REFERENCES run (id) ON DELETE CASCADE,
            request_id INTEGER NOT NULL,
            arrival_ps INTEGER NOT NULL,
            prompt_tokens INTEGER NOT NULL,
            output_tokens INTEGER NOT NULL,
            generated_tokens INTEGER NOT NULL,
            home INTEGER NOT NULL,
            admitted_ps INTEGER,
            first_token_ps INTEGER,
            ended_ps INTEGER NOT NULL,
            -- NULL: completed.
            rejected_because TEXT,
            preemptions INTEGER NOT NULL,
            borrowed_blocks_peak INTEGER NOT NULL,
            PRIMARY KEY (run_id, request_id)
          ) STRICT, WITHOUT ROWID;

          CREATE TABLE instance_sample (
            id INTEGER PRIMARY KEY,
            run_id INTEGER NOT NULL REFERENCES run (id) ON DELETE CASCADE,
            time_ps INTEGER NOT NULL,
            instance INTEGER NOT NULL,
            running INTEGER NOT NULL,
            queued INTEGER NOT NULL,
            used_blocks INTEGER NOT NULL,
            hosted_blocks INTEGER NOT NULL
          ) STRICT;
          CREATE INDEX instance_sample_run ON instance_sample (run_id, instance, time_ps);

          -- Every decision about a request's blocks, with its reason, in the order in which they were taken.
          CREATE TABLE decision (
            id INTEGER PRIMARY KEY,
            run_id INTEGER NOT NULL REFERENCES run (id) ON DELETE CASCADE,
            time_ps INTEGER NOT NULL,
            kind TEXT NOT NULL,
            request_id INTEGER NOT NULL,
            source INTEGER NOT NULL,
            destination INTEGER NOT NULL,
            blocks INTEGER NOT NULL,
            reason TEXT NOT NULL
          ) STRICT;
          CREATE INDEX decision_run ON decision (run_id);
          """)
    },
    SchemaStep(name: "sweep, sweep_point; what is kept of a run") { db in
      try db.execute(
        sql: """
          -- Which rows a run has besides its own: none, those of its requests, or samples and decisions too.
          ALTER TABLE run ADD COLUMN kept TEXT NOT NULL DEFAULT 'all'
            CHECK (kept IN ('summary', 'requests', 'all'));
          -- What comparisons and warnings need of the requests where these are not kept. NULL: see `request`.
          ALTER TABLE run ADD COLUMN rejected_requests TEXT
            CHECK (rejected_requests IS NULL OR json_valid(rejected_requests));
          ALTER TABLE run ADD COLUMN longest_prompt_tokens INTEGER;
          ALTER TABLE run ADD COLUMN longest_context_tokens INTEGER;

          CREATE TABLE sweep (
            id INTEGER PRIMARY KEY,
            name TEXT NOT NULL UNIQUE,
            question TEXT NOT NULL,
            -- The YAML as it was read.
            study TEXT NOT NULL,
            program_version TEXT NOT NULL,
            -- Of the last time that it was run.
            started_at TEXT NOT NULL
          ) STRICT;

          -- One row per point of a study and heat; docs/sweeps.md.
          CREATE TABLE sweep_point (
            id INTEGER PRIMARY KEY,
            sweep_id INTEGER NOT NULL REFERENCES sweep (id) ON DELETE CASCADE,
            grid TEXT NOT NULL,
            label TEXT NOT NULL,
            -- Axis to the value's name, sorted keys.
            axes TEXT NOT NULL CHECK (json_valid(axes)),
            seed INTEGER NOT NULL,
            heat TEXT NOT NULL CHECK (heat IN ('whole', 'common')),
            run_id INTEGER REFERENCES run (id),
            error TEXT,
            CHECK ((run_id IS NULL) = (error IS NOT NULL)),
            UNIQUE (sweep_id, grid, label, axes, seed, heat)
          ) STRICT;
          CREATE INDEX sweep_point_run ON sweep_point (run_id);
          """)
    },
    accounts, emptyIsNull,
    SchemaStep(name: "request.cut_at_context") { db in
      try db.execute(
        sql: """
          -- 1: completed, with fewer output tokens than the trace has, because the model's context ended.
          ALTER TABLE request ADD COLUMN cut_at_context INTEGER NOT NULL DEFAULT 0
            CHECK (cut_at_context IN (0, 1));
          """)
    },
  ]
}
