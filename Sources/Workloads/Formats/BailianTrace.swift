extension TraceFormat {
  /// Qwen-Bailian's traces: seconds, conversations by chat and parent, and 16-token blocks.
  ///
  /// Source: https://github.com/alibaba-edu/qwen-bailian-usagetraces-anon, `README.md`.
  package static let bailian = TraceFormat(
    name: "bailian", summary: "Qwen-Bailian's traces (JSONL)", grammar: .jsonLines,
    columns: [
      Column("chat_id", .id), Column("parent_chat_id", .parent), Column("timestamp", .arrival),
      Column("input_length", .prompt), Column("output_length", .output), Column("type", .label),
      Column("turn", .turn), Column("hash_ids", .hashes),
    ],
    blockTokens: 16)
}
