import Policies
import Sim

/// The engine of an instance and the KV blocks that it has.
struct InstanceMemory {
  var engine: EngineOptions
  /// What the GPUs' memory holds.
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
    engine.kind = options.engine
    engine.prefixCaching = options.prefixCaching
    engine.stepByStep = options.stepByStep
    // vLLM v0 takes the model's context, at least 2,048; v1's server default on an A100 is 2,048.
    engine.maxNumBatchedTokens =
      options.maxNumBatchedTokens
      ?? (options.engine == .vllmV0 ? max(machine.model.maxPosition, 2048) : 2048)
    engine.maxModelLen = options.maxModelLen.tokens(for: machine.model)
    engine.maxNumSeqs =
      maxNumSeqs ?? options.maxNumSeqs.map(ofGiven.together) ?? multiple.together(EngineOptions().maxNumSeqs)
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
    capacity = try KVCapacity(
      model: machine.model, hardware: machine.cluster.hardware, shape: shape,
      settings: KVMemorySettings(
        utilisation: options.gpuMemoryUtilization, blockSize: engine.blockSize,
        maxBatchedTokens: engine.maxNumBatchedTokens,
        maxSequences: RunPlan.sequencesPerStep(engine, shape)))
    blocks = options.kvBlocks.map(ofGiven.together) ?? capacity.blocks
  }
}
