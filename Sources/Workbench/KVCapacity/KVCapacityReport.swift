import Formatting
import Results
import Runs
import Sim

/// One instance's KV capacity in words, beside what an engine has printed.
package struct KVCapacityReport {
  package var model: ModelSpec
  package var hardware: HardwareSpec
  package var shape: InstanceShape
  package var engine: EngineChoice
  package var settings: KVMemorySettings
  package var maxModelLen: Int
  package var capacity: KVCapacity
  package var log: StartUpLog?
  /// Where the log may be of another configuration.
  var doubts: [String]

  /// Throws what `InstanceShape.validate` throws, and without a log where the model does not fit.
  package init(
    model: ModelSpec, hardware: HardwareSpec, shape: InstanceShape, engine: EngineChoice,
    utilisation: Double,
    blockSize: Int = 16, maxModelLen: Int, maxBatchedTokens: Int? = nil, maxSequences: Int? = nil,
    log: StartUpLog? = nil, doubts: [String] = []
  ) throws {
    (self.model, self.hardware, self.shape) = (model, hardware, shape)
    (self.maxModelLen, self.log, self.engine) = (maxModelLen, log, engine)
    let profile = engine.profile
    let limits = profile.limits.of(model, on: hardware, maxModelLen: maxModelLen)
    var step = EngineOptions()
    step.maxNumBatchedTokens = maxBatchedTokens ?? limits.tokens
    step.maxNumSeqs = maxSequences ?? limits.sequences
    if profile.scheduler == .chunked { step.maxNumSeqs = min(step.maxNumSeqs, step.maxNumBatchedTokens - 1) }
    settings = KVMemorySettings(
      utilisation: utilisation, blockSize: blockSize, maxBatchedTokens: step.maxNumBatchedTokens,
      maxSequences: max(1, RunPlan.sequencesPerStep(step, shape)), accounting: profile.accounting)
    capacity = try KVCapacity(
      model: model, hardware: hardware, shape: shape, settings: settings, mustFit: false)
    self.doubts = doubts
    if log == nil, capacity.blocks == 0 { throw CommandFailure(.usage, advice.text(capacity)) }
    if let log { self.doubts += configurationDoubts(log) }
  }

  private var advice: FitAdvice {
    FitAdvice(
      model: model, hardware: hardware, shape: shape, engine: engine.profile, engineTitle: engine.title,
      settings: settings, mostRanks: max(8, shape.tp))
  }

  /// Whether vLLM would not start with such a cache; nothing is said of a log, whose engine did.
  var startUpWarning: String? {
    guard log == nil else { return nil }
    return StartUpCheck.warning(
      model: model, engine: engine.profile, blocks: capacity.blocks, blockSize: capacity.blockSize,
      maxModelLen: maxModelLen)
  }

  package var text: String {
    var lines = advice.heading + [""]
    lines += capacity.lines.dropLast()
    lines +=
      ["", because] + (capacity.blocks > 0 ? [holds] : [advice.advice]) + notes.map { "Note: \($0)." }
    if let log { lines += [""] + compared(log) }
    return lines.joined(separator: "\n") + "\n"
  }

  /// "7,427 blocks because …".
  private var because: String {
    let layers = shape.layersPerStage(of: model)
    let heads =
      model.latent.map { "a latent of \($0.width)" }
      ?? "2 × \(model.kvHeadsPerRank(tp: shape.tp)) KV heads × \(model.headDim)"
    let block =
      "\(grouped(capacity.bytesPerBlock)) bytes: \(layers) layers × \(heads) × \(model.kvBytesPerElement) "
      + "byte\(model.kvBytesPerElement == 1 ? "" : "s") × \(capacity.blockSize) tokens."
    guard capacity.blocks > 0 else {
      return "It does not fit: \(FitAdvice.short(capacity)), which has \(block)"
    }
    return
      "\(grouped(capacity.blocks)) blocks because \(gibibytes(capacity.cache)) GiB hold so many of "
      + block
  }

  private var holds: String {
    "They hold \(grouped(capacity.tokens)) tokens: "
      + "\(figure(Double(capacity.tokens) / Double(maxModelLen))) requests of \(grouped(maxModelLen)) (max-model-len)."
  }

  /// What the account does not know.
  private var notes: [String] {
    var notes: [String] = []
    if let window = model.alternatingWindow {
      notes.append(
        "an engine with groups of layers gives those that reach back \(grouped(window)) tokens only fewer blocks, here all "
          + "have as many")
    }
    if model.latent != nil, shape.tp > 1 {
      notes.append("every rank holds the whole latent: more ranks do not make the cache larger")
    }
    if model.latent == nil, shape.tp > model.kvHeads {
      notes.append(
        "\(shape.tp) ranks share \(model.kvHeads) KV heads: each is held \(shape.tp / model.kvHeads) times")
    }
    return notes
  }

  // MARK: - Beside a log

  private func compared(_ log: StartUpLog) -> [String] {
    var lines: [String] = []
    for (what, ours, theirs) in terms(log) {
      lines.append("\(what): \(gibibytes(ours)) GiB here, \(hundredths(theirs)) GiB in the log.")
    }
    guard let pool = pool(log) else { return lines + allDoubts(log).map { "Doubt: \($0)." } }
    let difference = capacity.blocks - pool.blocks
    let percent = Double(difference) / Double(max(1, pool.blocks)) * 100
    let needed = Double(pool.blocks) * Double(capacity.bytesPerBlock)
    let short = (needed - Double(capacity.cache)) / Double(1 << 30)
    lines.append(
      capacity.blocks == 0
        ? "The log has \(grouped(pool.blocks)) blocks (\(pool.source)): by this account \(hundredths(short)) GiB of a GPU are "
          + "missing for them."
        : "The log has \(grouped(pool.blocks)) blocks (\(pool.source)): here \(grouped(capacity.blocks)), "
          + "\(grouped(abs(difference))) \(difference < 0 ? "fewer" : "more"), \(difference < 0 ? "−" : "+")"
          + "\(hundredths(abs(percent))) %.")
    lines += allDoubts(log).map { "Doubt: \($0)." }
    lines.append(
      doubts.isEmpty
        ? "A run has the log's cache with --kv-blocks \(pool.blocks)."
        : "No --kv-blocks is advised: the log may be of another configuration.")
    return lines
  }

  private func terms(_ log: StartUpLog) -> [(String, Int, Double)] {
    [
      ("GPU memory", capacity.memory, log.total), ("Weights", capacity.weights, log.weights),
      ("Not PyTorch's", capacity.runtime + capacity.communication, log.nonTorch),
      ("Activations", capacity.activations, log.activations), ("KV cache", capacity.cache, log.available),
    ].compactMap { term in term.2.map { (term.0, term.1, $0) } }
  }

  /// The blocks of `blockSize` tokens that the log stands for, and from which of its numbers.
  package func pool(_ log: StartUpLog) -> (blocks: Int, source: String)? {
    let fromMemory = log.available.flatMap {
      $0 > 0 ? Int($0 * Double(1 << 30)) / capacity.bytesPerBlock : nil
    }
    if isHybrid(log), let fromMemory {
      return (fromMemory, "of the memory that it leaves for the cache, all layers alike")
    }
    if let tokens = log.tokens(blockSize: settings.blockSize) {
      return (
        tokens / settings.blockSize,
        log.blocks == nil ? "of its tokens" : "as printed, of \(settings.blockSize) tokens"
      )
    }
    return fromMemory.map { ($0, "of the memory that it leaves for the cache") }
  }

  /// Whether the printed tokens are another thing than what the memory holds of this model, all layers alike.
  private func isHybrid(_ log: StartUpLog) -> Bool {
    if model.alternatingWindow != nil { return true }
    guard let share = share(log) else { return false }
    return abs(share - 1) > 0.03
  }

  /// Printed tokens over those that the printed memory holds.
  private func share(_ log: StartUpLog) -> Double? {
    guard let available = log.available, available > 0, let tokens = log.tokens(blockSize: settings.blockSize)
    else {
      return nil
    }
    let perToken = Double(capacity.bytesPerBlock) / Double(settings.blockSize)
    return Double(tokens) * perToken / (available * Double(1 << 30))
  }

  /// Of the configuration, then of what the log's numbers are.
  private func allDoubts(_ log: StartUpLog) -> [String] {
    var doubts = self.doubts
    if model.alternatingWindow != nil, log.tokens != nil {
      doubts.append(
        "the printed tokens are no pool: of a model whose layers have groups of their own they are the longest contexts that "
          + "fit, times max_model_len")
    }
    if let version = log.version, log.profile == nil {
      doubts.append(
        "\(version) is of a build that does not know its version: give --engine-version, here it is \(engine.profile.name)"
      )
    }
    if model.latent != nil, log.blocks != nil {
      doubts.append(
        "kernels for a latent (MLA) take blocks of 64 tokens: give --block-size as the engine has it")
    }
    return doubts
  }

  /// Whether the log is of this model, GPU, cut and cache.
  private func configurationDoubts(_ log: StartUpLog) -> [String] {
    var doubts: [String] = []
    if model.alternatingWindow == nil, let share = share(log), abs(share - 1) > 0.03 {
      doubts.append(
        "the printed tokens are \(figure(share)) × what the printed memory holds of this model: another TP, KV dtype, block "
          + "size or model, or layers in groups (sliding windows, Mamba), for which the printed number is not the pool"
      )
    }
    if let theirs = log.engine?.profile, theirs.accounting != settings.accounting {
      doubts.append(
        "the log is of \(log.engine?.asked ?? theirs.name), which counts by account \(theirs.accounting.name)"
      )
    }
    if let total = log.total, abs(Double(capacity.memory) / Double(1 << 30) / total - 1) > 0.02 {
      doubts.append(
        "the log's GPU has \(hundredths(total)) GiB, \(hardware.name) \(gibibytes(capacity.memory))")
    }
    if let weights = log.weights, abs(Double(capacity.weights) / Double(1 << 30) / weights - 1) > 0.05 {
      doubts.append("the log's weights are another size: another model, TP or --weights")
    }
    return doubts
  }

  package var json: JSON {
    var members: [JSON.Member] = [
      .init("model", .string(model.name)),
      .init("weights", .string((model.experts?.weights ?? model.weights).rawValue)),
      .init("hardware", .string(hardware.name)), .init("tp", .int(shape.tp)), .init("pp", .int(shape.pp)),
      .init("expert_parallel", .bool(shape.expertParallel)),
      .init("engine_profile", .string(engine.profile.name)),
      .init("engine_version", .optional(engine.asked)),
      .init("account", .string(settings.accounting.name)),
      .init("max_num_batched_tokens", .int(settings.maxBatchedTokens)),
      .init("max_num_seqs", .int(settings.maxSequences)), .init("memory_bytes", .int(capacity.memory)),
      .init("gpu_memory_utilization", .double(settings.utilisation)),
      .init("usable_bytes", .int(capacity.usable)),
      .init("weight_bytes", .int(capacity.weights)), .init("runtime_bytes", .int(capacity.runtime)),
      .init("activation_bytes", .int(capacity.activations)),
      .init("communication_bytes", .int(capacity.communication)), .init("graph_bytes", .int(capacity.graphs)),
      .init("cache_bytes", .int(capacity.cache)), .init("bytes_per_block", .int(capacity.bytesPerBlock)),
      .init("block_size", .int(capacity.blockSize)), .init("blocks", .int(capacity.blocks)),
      .init("missing_bytes", .int(capacity.missing)),
      .init("tokens", .int(capacity.tokens)), .init("max_model_len", .int(maxModelLen)),
    ]
    if let log, let pool = pool(log) {
      members.append(.init("log_blocks", .int(pool.blocks)))
      members.append(.init("doubts", .array(allDoubts(log).map { .string($0) })))
    }
    return .object(members)
  }

  private func gibibytes(_ bytes: Int) -> String { hundredths(Double(bytes) / Double(1 << 30)) }

  /// With two decimals.
  private func hundredths(_ value: Double) -> String {
    let hundredths = Int((abs(value) * 100).rounded())
    let cents = hundredths % 100
    return "\(value < 0 ? "−" : "")\(grouped(hundredths / 100)).\(cents < 10 ? "0" : "")\(cents)"
  }
}
