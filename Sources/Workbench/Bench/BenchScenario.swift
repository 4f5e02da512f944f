/// A fixed case that `infinite-sim bench` times.
package struct BenchScenario {
  package var name: String
  var summary: String
  package var trace: Trace
  /// Arguments of `run`, without the trace.
  package var arguments: [String]
  var targets: [Target] = []
  var requiresLending = false

  package enum Trace {
    /// A public trace, by its path under the data folder.
    case data(String)
    /// A generator, by its name among the recipes.
    case recipe(String)
  }

  /// An upper bound.
  struct Target {
    var figure: Figure
    var atMost: Double
  }

  /// What a target bounds.
  enum Figure: Hashable {
    /// Median seconds in the event loop.
    case loop
    /// The same for each million requests: half a second is two million requests per second.
    case loopPerMillion
    /// Median wall seconds of the whole process.
    case process
    /// Median peak memory above that of `--version`, MB.
    case memoryAboveVersion
    /// Median peak memory, MB.
    case memory
    /// Median of the loop time over that of another scenario, sample by sample.
    case loopRatio(to: String)
  }

  /// The scenarios of a name or of a group (`outputs`, `small`, `all`); empty if there are none.
  package static func named(_ name: String) -> [BenchScenario] {
    all.filter { name == "all" || $0.name == name || $0.name.hasPrefix(name + "-") && name != "w1" }
  }

  package static let all: [BenchScenario] = real + outputs + small

  private static let real: [BenchScenario] = [
    BenchScenario(
      name: "w1", summary: "Azure's conversations of 2023 on one A100", trace: w1,
      arguments: onW1 + ["--gpus-per-node", "1"],
      targets: [
        Target(figure: .loop, atMost: 0.010), Target(figure: .loopPerMillion, atMost: 0.5),
        Target(figure: .process, atMost: 0.03),
        Target(figure: .memoryAboveVersion, atMost: 8),
      ]),
    BenchScenario(
      name: "w1-four", summary: "the same on four instances, lightly loaded", trace: w1,
      arguments: onW1 + ["--gpus-per-node", "4", "--router", "round-robin"],
      targets: [Target(figure: .loop, atMost: 0.012)]),
    BenchScenario(
      name: "w1-32", summary: "32 times the rate on 32 instances", trace: w1,
      arguments: onW1.replacing("--nodes", with: "4")
        + ["--gpus-per-node", "8", "--router", "round-robin", "--rate-scale", "32"],
      targets: [Target(figure: .loop, atMost: 0.015)]),
    BenchScenario(
      name: "chunked", summary: "w1 with chunked prefill", trace: w1,
      arguments: onW1.replacing("--max-num-batched-tokens", with: "2048")
        + ["--engine", "chunked", "--gpus-per-node", "1"]),
    BenchScenario(
      name: "lending", summary: "debtor-creditor on 32 instances, 100,000 requests up to 500K tokens",
      trace: .recipe("lending"), arguments: lendingArguments + ["--nodes", "4"],
      targets: [Target(figure: .loop, atMost: 0.5)], requiresLending: true),
    BenchScenario(
      name: "stream", summary: "10,000,000 requests on 1,024 instances", trace: .recipe("stream"),
      arguments: [
        "--policy", "vllm-m", "--nodes", "128", "--gpus-per-node", "8", "--router", "round-robin",
        "--engine-profile", "vllm",
      ],
      targets: [Target(figure: .loop, atMost: 15), Target(figure: .memory, atMost: 1000)]),
  ]

  /// For tests and continuous integration.
  private static let small: [BenchScenario] = [
    BenchScenario(
      name: "small-chat", summary: "2,000 chats on four instances", trace: .recipe("small-chat"),
      arguments: ["--policy", "vllm-m", "--gpus-per-node", "4"] + stretched),
    BenchScenario(
      name: "small-chunked", summary: "the same with chunked prefill", trace: .recipe("small-chat"),
      arguments: ["--policy", "vllm-m", "--gpus-per-node", "4", "--engine", "chunked"] + stretched),
    BenchScenario(
      name: "small-lending", summary: "1,000 requests on eight instances that lend",
      trace: .recipe("small-lending"), arguments: lendingArguments),
  ]

  private static let w1 = Trace.data("traces/w1_azure_conv_clip4096.csv")

  private static let onW1 = [
    "--policy", "vllm-m", "--model", "llama2-7b", "--nodes", "1", "--tp", "1", "--engine-profile",
    "vllm", "--kv-blocks", "7424", "--max-num-seqs", "128", "--max-num-batched-tokens", "4096",
  ]

  private static let lendingArguments =
    [
      "--policy", "debtor-creditor", "--model", "llama2-7b", "--hardware", "a100-40gb", "--gpus-per-node",
      "8",
      "--router", "least-loaded", "--option", "period=0.5", "--option", "prefill-attention=distributed",
    ] + stretched

  /// Llama 2 was made for 4,096 tokens, and these requests are longer; the engine is the one that the first figures were taken with.
  private static let stretched = ["--max-model-len", "10000000", "--engine-profile", "vllm"]

  private static let outputs: [BenchScenario] = ["vllm-m", "vllm-s", "debtor-creditor"].flatMap { policy in
    [1, 10, 100].map { outputs(policy, times: $0) }
  }

  /// Outputs × k with arrivals stretched × k and memory for everything: the work that skipping ahead leaves.
  private static func outputs(_ policy: String, times: Int) -> BenchScenario {
    var scenario = BenchScenario(
      name: "outputs-\(times)-\(policy)", summary: "outputs × \(times), arrivals stretched × \(times)",
      trace: .recipe("outputs-\(times)"), arguments: ["--policy", policy] + stretched)
    // vllm-s is one instance over all GPUs: it gets the memory of eight and, so that decoding is what it does at every k, an
    // eighth of the rate.
    scenario.arguments +=
      policy == "vllm-s" ? ["--kv-blocks", "800000", "--rate-scale", "0.125"] : ["--kv-blocks", "100000"]
    scenario.arguments += ["--router", "round-robin"]
    if times > 1, policy != "debtor-creditor" {
      scenario.targets = [Target(figure: .loopRatio(to: "outputs-1-\(policy)"), atMost: 1.3)]
    }
    return scenario
  }
}

extension [String] {
  /// The same arguments with another value of `option`.
  fileprivate func replacing(_ option: String, with value: String) -> [String] {
    var changed = self
    if let index = firstIndex(of: option) { changed[index + 1] = value }
    return changed
  }
}
