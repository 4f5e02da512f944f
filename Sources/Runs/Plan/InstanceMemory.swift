import Policies
import Sim

/// The engine of an instance and the KV blocks that it has.
struct InstanceMemory {
  var engine: EngineOptions
  /// What the GPUs' memory is counted by.
  var settings: KVMemorySettings
  /// What it holds, which may be nothing.
  var capacity: KVCapacity
  /// As many as `capacity` says, unless `--kv-blocks` says other.
  var blocks: Int

  /// Of an instance that stands for `multiple` small ones, and has `maxNumSeqs` sequences unless they follow from those.
  init(
    of shape: InstanceShape, multiple: SmallInstances, maxNumSeqs: Int?, policy: String, on machine: Machine,
    options: RunOptions, pairs: OptionPairs, scope: LayoutScope, warnings: inout [String]
  ) throws {
    // Under `run` what is given is the instance's own.
    let ofGiven = scope == .vllmM ? multiple : 1
    engine = EngineOptions()
    engine.kind = machine.engine.scheduler
    engine.prefixCaching = options.prefixCaching
    engine.stepByStep = options.stepByStep
    engine.maxModelLen = options.maxModelLen.tokens(for: machine.model)
    let limits = machine.engine.limits.of(
      machine.model, on: machine.cluster.hardware, maxModelLen: engine.maxModelLen)
    engine.maxNumBatchedTokens = options.maxNumBatchedTokens ?? limits.tokens
    engine.maxNumSeqs =
      maxNumSeqs ?? options.maxNumSeqs.map(ofGiven.together) ?? multiple.together(limits.sequences)
    if engine.kind == .chunked, engine.maxNumSeqs >= engine.maxNumBatchedTokens {
      warnings.append(
        "chunked needs fewer sequences than its token budget: \(policy) runs "
          + "\(engine.maxNumBatchedTokens - 1) instead of \(engine.maxNumSeqs)")
      engine.maxNumSeqs = engine.maxNumBatchedTokens - 1
    }
    guard engine.maxNumSeqs >= 1 else {
      throw CommandFailure(.usage, "--max-num-batched-tokens \(engine.maxNumBatchedTokens) is too small")
    }
    try EngineOption.apply(pairs, to: &engine)
    settings = KVMemorySettings(
      utilisation: options.gpuMemoryUtilization, blockSize: engine.blockSize,
      maxBatchedTokens: engine.maxNumBatchedTokens,
      maxSequences: RunPlan.sequencesPerStep(engine, shape),
      accounting: options.kvAccounting?.account ?? machine.engine.accounting)
    capacity = try KVCapacity(
      model: machine.model, hardware: machine.cluster.hardware, shape: shape, settings: settings,
      mustFit: false)
    blocks = options.kvBlocks.map(ofGiven.together) ?? capacity.blocks
  }

  /// Throws where nothing is left for the cache, unless the blocks are given; else says what vLLM and the account do not agree to.
  ///
  /// `lends` says whether an instance may hold more than its own blocks.
  func check(_ shape: InstanceShape, on machine: Machine, options: RunOptions, lends: Bool) throws -> [String]
  {
    let advice = FitAdvice(
      model: machine.model, hardware: machine.cluster.hardware, shape: shape, engine: machine.engine,
      engineTitle: machine.engineTitle, settings: settings,
      mostRanks: shape.tpAcrossNodes ? machine.cluster.gpus : machine.cluster.gpusPerNode)
    if options.kvBlocks != nil {
      guard capacity.blocks == 0 else { return [] }
      return [
        "by account \(settings.accounting.name) \(machine.model.name) does not fit with TP \(shape.tp) × PP \(shape.pp), "
          + "\(FitAdvice.short(capacity)): the \(blocks) blocks of --kv-blocks are taken as given"
      ]
    }
    guard capacity.blocks > 0 else { throw CommandFailure(.usage, advice.text(capacity)) }
    guard !lends else { return [] }
    return [
      StartUpCheck.warning(
        model: machine.model, engine: machine.engine, blocks: blocks, blockSize: engine.blockSize,
        maxModelLen: engine.maxModelLen)
    ].compactMap(\.self)
  }
}
