extension TraceFormat {
  /// Mooncake's traces: milliseconds, and the identity of every 512-token block of the prompt. Times lie in
  /// buckets of 3 s in the conversation trace: see `TraceOptions.jitter`.
  ///
  /// Source: https://github.com/kvcache-ai/Mooncake, `FAST25-release`.
  package static let mooncake = TraceFormat(
    name: "mooncake", summary: "Mooncake's traces (JSONL)", grammar: .jsonLines,
    columns: [
      Column("timestamp", .arrival), Column("input_length", .prompt), Column("output_length", .output),
      Column("hash_ids", .hashes),
    ],
    clock: .milliseconds, blockTokens: 512)
}
