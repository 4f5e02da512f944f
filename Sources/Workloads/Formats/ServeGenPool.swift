extension TraceFormat {
  /// A client pool of ServeGen: a folder with `chunk-N-trace.csv` (rates and arrival patterns by window) and
  /// `chunk-N-dataset.json` (length histograms by window) for each client.
  ///
  /// Source: https://github.com/alibaba/ServeGen, `README.md` and `data/`.
  static let serveGenPool = TraceFormat(
    name: "servegen-pool", summary: "a client pool of ServeGen (folder)", grammar: .clientPool, columns: [])
}
