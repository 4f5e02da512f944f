import Runs
import Formatting
import ArgumentParser
import Sim

/// `infinite-sim models`: the presets.
struct ModelsCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "models", abstract: "List the model presets.")

  func run() throws {
    var rows = [
      [
        "model", "layers", "hidden", "heads", "KV heads", "parameters", "active", "KV bytes per token",
        "context", "weights", "kind", "Hugging Face",
      ]
    ]
    for model in ModelCatalog.all {
      rows.append([
        model.name, grouped(model.layers), grouped(model.hidden), grouped(model.queryHeads),
        grouped(model.kvHeads), grouped(model.parameters), grouped(model.activeParameters),
        grouped(model.kvBytesPerToken), grouped(model.maxPosition), model.formats, model.kind,
        ModelNames.all(of: model.name).joined(separator: ", "),
      ])
    }
    try writeToStandardOutput(
      markdownTable(rows, leftColumns: [0, 9, 10, 11])
        + "\n--model takes a model's name, a Hugging Face name in any case, or the path of a config.json; --weights stores it "
        + "otherwise.\n")
  }
}

/// `infinite-sim hardware`: the profiles, and the links between nodes.
struct HardwareCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "hardware", abstract: "List the hardware profiles and the links.")

  func run() throws {
    var text = "Profiles (--hardware)\n\n"
    for profile in HardwareCatalog.all {
      text += "\(profile.name)\n  \(profile.summary)\n"
      text += "  links: \(profile.inNodeLink.name) in the node, \(profile.interNodeLink.name) between nodes\n"
      text += "  engine profile: \(profile.engine.name)\n"
      for sentence in profile.unvalidated { text += "  unvalidated: \(sentence)\n" }
    }
    text += "\nLinks (--inter-node): one flow, one direction\n\n"
    var rows = [["link", "GB/s", "latency, µs", "source"]]
    for link in LinkCatalog.all {
      rows.append([
        link.name, figure(link.costs.bytesPerSecond / 1e9), figure(Double(link.costs.latency) / 1e6),
        link.source,
      ])
    }
    try writeToStandardOutput(text + markdownTable(rows, leftColumns: [0, 3]))
  }
}

/// `infinite-sim engines`: the engine profiles.
struct EnginesCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "engines", abstract: "List the engine profiles and the decode kernels.")

  func run() throws {
    var text = "Profiles (--engine-profile): what an engine adds to its kernels, in µs\n\n"
    var rows = [
      [
        "profile", "host, 1 GPU", "per sequence", "host, more", "per sequence", "beside the GPUs",
        "gap per layer", "launch floor", "when it prefills", "largest graph", "decode kernel",
        "own all-reduce",
      ]
    ]
    for engine in EngineCatalog.all {
      text += "\(engine.name)\n  \(engine.summary); memory as \(engine.accounting.name)\n"
      rows.append(
        [engine.name]
          + [
            engine.host.single, engine.host.singlePerSequence, engine.host.sharded,
            engine.host.shardedPerSequence,
          ].map(figure) + [engine.overlapsHost ? "yes" : "no"]
          + [engine.gapPerLayer, engine.launchFloorPerLayer, engine.prefillLaunchFloorPerLayer].map(figure)
          + [
            engine.graphSizes.map { grouped($0.largest) } ?? "–", engine.decodeKernel.rawValue,
            engine.customAllReduce ? "yes" : "no",
          ])
    }
    text +=
      "\nAn engine's version is a profile too, such as vllm-0.6.1, sglang-0.5 or tensorrt-llm-1.1, in any case: that of its release; "
      + "of vLLM with the version's own account of memory.\n"
    text += "\n" + markdownTable(rows, leftColumns: [0, 5, 10, 11])
    text += "\nDecode kernels (--decode-kernel)\n\n"
    for kernel in DecodeKernel.allCases { text += "\(kernel.rawValue)\n  \(kernel.summary)\n" }
    let measured = HardwareCatalog.all.filter { $0.flashAttention3 != nil }.map(\.name)
    text +=
      "\nOn \(measured.joined(separator: ", ")) all are charged as FlashAttention-3, the only one measured there.\n"
    try writeToStandardOutput(text)
  }
}

extension DecodeKernel {
  /// One line for the catalogue.
  var summary: String {
    switch self {
    case .flashInfer: "splits every context over the whole GPU and balances different lengths"
    case .flashAttention: "FlashAttention-2 with split keys and values: waves of thread blocks"
    case .unsplit:
      "one thread block per sequence and KV head: one long request alone is up to nine times slower"
    }
  }
}

extension ModelSpec {
  /// How the weights are stored.
  var formats: String {
    guard let experts = experts?.weights, experts != weights else { return weights.rawValue }
    return "\(weights.rawValue), experts \(experts.rawValue)"
  }

  /// What kind of attention and feed-forward part it has, in words.
  var kind: String {
    let attention =
      latent != nil ? "MLA" : kvHeads == queryHeads ? "MHA" : kvHeads == 1 ? "MQA" : "GQA"
    let window =
      self.window.map { ", window \(grouped($0))" } ?? alternatingWindow.map {
        ", window \(grouped($0)) in some layers"
      } ?? ""
    return attention + window + (experts.map { ", \($0.count) experts, top \($0.perToken)" } ?? "")
  }
}
