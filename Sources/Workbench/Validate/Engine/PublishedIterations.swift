import Sim

/// Whole iterations that others published, as costmodel.md 6 collects them; no constant was fitted to them.
enum PublishedIterations {
  private struct Figure {
    var tp: Int
    var iteration: Iteration
    var milliseconds: Double
    var source: String
  }

  /// Splitwise (Patel et al., ISCA 2024) on Llama-2-70B, DGX-A100, vLLM of 2023.
  ///
  /// Assumed: decode at one request and 1,024 tokens of context, which the figures do not say; at batch one it
  /// changes the time by less than 3 %.
  private static let figures = [
    Figure(
      tp: 2, iteration: Iteration(sequences: 1, context: 1_024), milliseconds: 55.5,
      source: "Splitwise decode, TP2 (54 to 57 ms)"),
    Figure(
      tp: 4, iteration: Iteration(sequences: 1, context: 1_024), milliseconds: 42.4,
      source: "Splitwise decode, TP4"),
    Figure(
      tp: 8, iteration: Iteration(sequences: 1, context: 1_024), milliseconds: 43.0,
      source: "Splitwise decode, TP8"),
    Figure(
      tp: 2, iteration: Iteration(prompts: 1, newTokens: 8_192), milliseconds: 2_990,
      source: "Splitwise prefill of 8,192 tokens, TP2"),
  ]

  /// All of them, as measurements of vLLM of 2023.
  static var measurements: [EngineMeasurement] {
    figures.map { figure in
      EngineMeasurement(
        operation: "published iteration", group: figure.source, model: ModelCatalog.llama70B,
        shape: InstanceShape(tp: figure.tp), iteration: figure.iteration, engine: EngineCatalog.vllm2023Eager,
        microseconds: figure.milliseconds * 1e3, isHeldOut: true)
    }
  }
}
