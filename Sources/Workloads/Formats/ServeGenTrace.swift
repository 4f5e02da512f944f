extension TraceFormat {
  /// Requests drawn with ServeGen, with the client that each is of.
  ///
  /// Source of the model: https://github.com/alibaba/ServeGen. The columns are those of the samples that
  /// people make of it: it writes no file itself.
  package static let serveGen = TraceFormat(
    name: "servegen", summary: "samples of ServeGen (CSV)", grammar: .csv,
    columns: [
      Column("arrival_s", .arrival), Column("input_tokens", .prompt), Column("output_tokens", .output),
      Column("client", .session),
    ],
    hasNumberedSessions: true)
}
