import Formatting
import Sim

/// What an engine profile's host times were fitted to.
struct HostFit {
  /// The most sequences of a step.
  var sequences: Int
  /// The measurements, in words.
  var what: String
  /// Whether it is another profile's fit that was carried over.
  var isCarriedOver = false

  /// `nil` for a profile of which no fit is known, or without host time.
  init?(_ engine: EngineProfile) {
    // Lambda's 160 prompts, all admitted at once; Argonne's batches have 64 at most (docs/validation.md, shared/data/runs/README.md).
    let batches = "Argonne's and Lambda's batches on A100"
    // The most clients of its vLLM rows in shared/data/runs/aic_silicon_h100_h200.csv (column batch_size).
    let loops = "closed loops of Qwen3-32B, vLLM 0.12, H100"
    switch engine.name {
    case EngineCatalog.vllmV0.name: (sequences, what) = (160, batches)
    case EngineCatalog.vllmV1.name: (sequences, what) = (144, loops)
    case EngineCatalog.vllmV1FirstAsync.name, EngineCatalog.vllmV1Async.name,
      EngineCatalog.tensorRTLLM.name, EngineCatalog.sglang.name:
      (sequences, what, isCarriedOver) = (144, loops, true)
    case EngineCatalog.tensorRTLLM0.name: (sequences, what) = (64, "Argonne's batches")
    // docs/costs-explained.md, Engine profiles.
    case EngineCatalog.vllm2023Eager.name, EngineCatalog.cudaGraph.name:
      (sequences, what) = (128, "DistServe's iterations of OPT-13B")
    default: return nil
    }
  }

  /// A sentence where an iteration of so many sequences is charged host time, `waited` µs of it, that the fit does not support.
  func sentence(_ engine: EngineProfile, sequences count: Int, waited: Double) -> String? {
    guard waited > 0, count > sequences || isCarriedOver else { return nil }
    return
      "the host's time of \(grouped(count)) sequence\(count == 1 ? "" : "s") is "
      + (isCarriedOver ? "another profile's constant, not fitted to \(engine.name): " : "")
      + "fitted to \(what), at most \(grouped(sequences)) sequences"
  }
}
