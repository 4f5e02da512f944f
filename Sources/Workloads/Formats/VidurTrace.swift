extension TraceFormat {
  /// Traces processed for the Vidur simulator: decimal seconds, often with further columns such as
  /// `num_total_tokens` and `pd_ratio`.
  ///
  /// Source: https://github.com/microsoft/vidur, `data/processed_traces`.
  package static let vidur = TraceFormat(
    name: "vidur", summary: "processed traces of Vidur (CSV)", grammar: .csv,
    columns: [
      Column("arrived_at", .arrival), Column("num_prefill_tokens", .prompt),
      Column("num_decode_tokens", .output), Column("num_total_tokens", .total, required: false),
      Column("pd_ratio", .ignored, required: false),
    ])
}
