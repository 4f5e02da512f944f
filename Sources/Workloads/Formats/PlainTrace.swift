extension TraceFormat {
  /// This project's own format, which `TraceWriter` writes: decimal seconds and two token counts.
  static let plain = TraceFormat(
    name: "plain", arrivalColumn: "arrival_s", promptColumn: "input_tokens", outputColumn: "output_tokens",
    clock: .seconds)
}
