extension TraceFormat {
  /// Traces processed for the Vidur simulator: decimal seconds, often with further columns such as
  /// `num_total_tokens` and `pd_ratio`.
  ///
  /// Source: https://github.com/microsoft/vidur, `data/processed_traces`.
  static let vidur = TraceFormat(
    name: "vidur", arrivalColumn: "arrived_at", promptColumn: "num_prefill_tokens",
    outputColumn: "num_decode_tokens", clock: .seconds)
}
