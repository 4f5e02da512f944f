import GRDB

extension Schema {
  /// Where requests' time went and why planners moved what they moved. Runs stored before have no such rows.
  static let accounts = SchemaStep(name: "request_account, instance_work, move_grounds") { db in
    try db.execute(
      sql: """
        -- One row per request: its time by cause, which adds up to ended_ps - arrival_ps, and what its router saw.
        CREATE TABLE request_account (
          run_id INTEGER NOT NULL,
          request_id INTEGER NOT NULL,
          queued_ps INTEGER NOT NULL,
          prefill_ps INTEGER NOT NULL,
          decode_ps INTEGER NOT NULL,
          decode_beside_prompts_ps INTEGER NOT NULL,
          stalled_by_prompts_ps INTEGER NOT NULL,
          requeued_ps INTEGER NOT NULL,
          recompute_ps INTEGER NOT NULL,
          lost_step_ps INTEGER NOT NULL,
          -- NULL: rejected at its arrival, before it was routed.
          routed_to INTEGER,
          -- Requests queued and running at routed_to, and the fewest and the most of any instance.
          load INTEGER, least_load INTEGER, most_load INTEGER,
          -- Of load, those that waited.
          queued_ahead INTEGER,
          free_blocks INTEGER, most_free_blocks INTEGER,
          PRIMARY KEY (run_id, request_id),
          FOREIGN KEY (run_id, request_id) REFERENCES request (run_id, request_id) ON DELETE CASCADE
        ) STRICT, WITHOUT ROWID;

        -- One row per instance that worked: its time in steps that only decode, decode and prefill, only prefill.
        CREATE TABLE instance_work (
          run_id INTEGER NOT NULL REFERENCES run (id) ON DELETE CASCADE,
          instance INTEGER NOT NULL,
          decode_ps INTEGER NOT NULL,
          decode_and_prefill_ps INTEGER NOT NULL,
          prefill_ps INTEGER NOT NULL,
          PRIMARY KEY (run_id, instance)
        ) STRICT, WITHOUT ROWID;

        -- One row per order of a planner that said what it weighed; rates are tokens per second of the pair.
        CREATE TABLE move_grounds (
          decision_id INTEGER PRIMARY KEY REFERENCES decision (id) ON DELETE CASCADE,
          gain REAL NOT NULL,
          throughput_before REAL NOT NULL,
          source_batch INTEGER NOT NULL,
          source_queued INTEGER NOT NULL,
          source_free_blocks INTEGER NOT NULL,
          destination_batch INTEGER NOT NULL,
          destination_free_blocks INTEGER NOT NULL,
          -- [[blocks, gain], ...] in the order in which they were tried.
          candidates TEXT NOT NULL CHECK (json_valid(candidates))
        ) STRICT;
        CREATE INDEX decision_request ON decision (run_id, request_id);
        """)
  }
}
