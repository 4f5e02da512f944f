extension TraceFormat {
  /// BurstGPT's traces, versions 1 to 3: seconds, whole ones in the first; the third adds `Session ID` and
  /// `Elapsed time`, of which the latter is a recorded response time and is not read. A response of 0 tokens
  /// is a failure.
  ///
  /// Source: https://github.com/HPMLL/BurstGPT, `README.md`.
  package static let burstGPT = TraceFormat(
    name: "burstgpt", summary: "BurstGPT, versions 1 to 3 (CSV)", grammar: .csv,
    columns: [
      Column("Timestamp", .arrival), Column("Session ID", .session, required: false),
      Column("Elapsed time", .ignored, required: false),
      Column("Model", .label), Column("Request tokens", .prompt), Column("Response tokens", .output),
      Column("Total tokens", .total), Column("Log Type", .ignored, filler: "API log"),
    ])
}
