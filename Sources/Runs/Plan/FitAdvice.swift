import Formatting
import Sim

/// A model that leaves no room for a cache: what is missing, and the least changes that make it fit.
package struct FitAdvice {
  package var model: ModelSpec
  package var hardware: HardwareSpec
  package var shape: InstanceShape
  /// The engine, and its title for readers.
  package var engine: EngineProfile
  package var engineTitle: String
  package var settings: KVMemorySettings
  /// The most ranks that a TP group may have.
  package var mostRanks: Int

  package init(
    model: ModelSpec, hardware: HardwareSpec, shape: InstanceShape, engine: EngineProfile,
    engineTitle: String, settings: KVMemorySettings, mostRanks: Int
  ) {
    (self.model, self.hardware, self.shape, self.engine) = (model, hardware, shape, engine)
    (self.engineTitle, self.settings, self.mostRanks) = (engineTitle, settings, mostRanks)
  }

  /// The set-up in two lines: what is cut how and counted by which account, and the step that is counted.
  package var heading: [String] {
    [
      "\(model.title), TP\(shape.tp) × PP\(shape.pp)\(shape.expertParallel ? ", expert parallel" : "") on \(hardware.name); "
        + "account \(settings.accounting.name): \(settings.accounting.summary).",
      "As \(engineTitle) runs (\(engine.schedulerTitle)), a full step has \(grouped(settings.maxBatchedTokens)) tokens of "
        + "\(grouped(settings.maxSequences)) sequences.",
    ]
  }

  /// "llama2-70b does not fit with TP 1 × PP 1: 68.02 GiB short of one block", set-up, account, advice.
  package func text(_ capacity: KVCapacity) -> String {
    let lines =
      [
        "\(model.name) does not fit with TP \(shape.tp) × PP \(shape.pp): \(Self.short(capacity))", "",
      ] + heading + [""] + capacity.lines.dropLast() + ["", advice]
    return lines.joined(separator: "\n")
  }

  /// "1.25 GiB short of one block", in bytes below ten mebibytes.
  package static func short(_ capacity: KVCapacity) -> String {
    let missing = capacity.missing
    return (missing < 10 << 20 ? "\(grouped(missing)) bytes" : gibibytes(missing)) + " short of one block"
  }

  /// "1.20 GiB".
  private static func gibibytes(_ bytes: Int) -> String {
    let hundredths = Int((Double(bytes) / Double(1 << 30) * 100).rounded())
    return "\(grouped(hundredths / 100)).\(hundredths % 100 < 10 ? "0" : "")\(hundredths % 100) GiB"
  }

  /// "It fits with --tp 2, or with --weights fp8: each alone."
  package var advice: String {
    let changes = self.changes
    guard !changes.isEmpty else {
      return
        "No utilisation up to 1, number of sequences, TP up to \(mostRanks) or --weights fp8 alone makes it fit."
    }
    return
      "It fits with \(changes.joined(separator: ", or with "))\(changes.count > 1 ? ": each alone" : "")."
  }

  /// The least change of each kind that leaves a block.
  package var changes: [String] {
    [utilisation, sequences, tokens, ranks, weights].compactMap(\.self)
  }

  private func fits(_ change: (inout FitAdvice) -> Void) -> Bool {
    var changed = self
    change(&changed)
    let capacity = try? KVCapacity(
      model: changed.model, hardware: hardware, shape: changed.shape, settings: changed.settings,
      mustFit: false)
    return (capacity?.blocks ?? 0) > 0
  }

  private var utilisation: String? {
    let present = Int((settings.utilisation * 100).rounded(.down))
    guard present < 100 else { return nil }
    return (present + 1...100).first { percent in fits { $0.settings.utilisation = Double(percent) / 100 } }
      .map { "--gpu-memory-utilization \(Double($0) / 100)" }
  }

  /// Powers of two; micro-batches of a pipeline share the sequences.
  private var sequences: String? {
    Self.powers(below: settings.maxSequences).first { count in fits { $0.settings.maxSequences = count } }
      .map { "--max-num-seqs \($0 * shape.pp)" }
  }

  /// Only of engines that cut prompts: others must take the longest in one step.
  private var tokens: String? {
    guard engine.scheduler == .chunked else { return nil }
    return Self.powers(below: settings.maxBatchedTokens).first { count in
      fits {
        $0.settings.maxBatchedTokens = count
        $0.settings.maxSequences = max(1, min($0.settings.maxSequences, count - 1))
      }
    }.map { "--max-num-batched-tokens \($0)" }
  }

  private var ranks: String? {
    InstanceShape.legalTP(model: model, maximum: mostRanks).filter { $0 > shape.tp }.sorted()
      .first { tp in fits { $0.shape.tp = tp } }.map { "--tp \($0)" }
  }

  private var weights: String? {
    guard model.weights == .bf16, model.experts?.weights == nil, fits({ $0.model.store(as: .fp8) }) else {
      return nil
    }
    return "--weights fp8"
  }

  /// Powers of two below `limit`, the largest first.
  private static func powers(below limit: Int) -> [Int] {
    (0..<24).reversed().map { 1 << $0 }.filter { $0 < limit && $0 >= 2 }
  }
}

extension EngineProfile {
  /// Its scheduler in words: the rules of one of the engines that there are.
  package var schedulerTitle: String {
    switch scheduler {
    case .chunked: "chunked"
    case .vllmV0: name.hasPrefix("vllm") ? "vllm-v0" : "whole prompts first"
    }
  }
}
