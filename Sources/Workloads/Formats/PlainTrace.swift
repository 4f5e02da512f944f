extension TraceFormat {
  /// This project's own CSV, which `TraceWriter` writes: decimal seconds and two token counts.
  package static let plain = TraceFormat(
    name: "plain", summary: "this project's CSV", grammar: .csv,
    columns: [
      Column("arrival_s", .arrival), Column("input_tokens", .prompt), Column("output_tokens", .output),
      Column("id", .id, required: false), Column("session", .session, required: false),
      Column("turn", .turn, required: false), Column("think_s", .think, required: false),
      Column("class", .label, required: false), Column("prefix_tokens", .prefixTokens, required: false),
    ],
    hasNumberedSessions: true)

  /// The same as JSONL, which can also carry the identities of a prompt's blocks.
  package static let plainJSONL = TraceFormat(
    name: "plain-jsonl", summary: "this project's JSONL", grammar: .jsonLines,
    columns: plain.columns + [
      Column("block_tokens", .blockTokens, required: false), Column("hash_ids", .hashes, required: false),
    ],
    hasNumberedSessions: true)
}
