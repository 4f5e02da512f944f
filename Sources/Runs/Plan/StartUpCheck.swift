import Formatting
import Sim

/// What vLLM looks at when it starts, and a run does not.
package enum StartUpCheck {
  /// A warning where vLLM would end at its start because its cache cannot hold one request of the longest context ("The model's max seq
  /// len (…) is larger than the maximum number of tokens that can be stored in KV cache", V1: "To serve at least one request
  /// with the models's max seq len (…)"); `nil` where it would not, or is not known to.
  ///
  /// Not known: engines other than vLLM from 0.4 on, and models with windows, whose requests take fewer blocks there. A context that
  /// was stretched beyond the model's own is an experiment, of which nothing is said.
  package static func warning(
    model: ModelSpec, engine: EngineProfile, blocks: Int, blockSize: Int, maxModelLen: Int
  ) -> String? {
    guard engine.name.hasPrefix("vllm"), engine.name != EngineCatalog.vllm2023Eager.name,
      model.window == nil, model.alternatingWindow == nil, blocks > 0, maxModelLen <= model.maxPosition
    else { return nil }
    let needed = (maxModelLen + blockSize - 1) / blockSize
    guard needed > blocks else { return nil }
    return
      "vLLM would not start so: one request of \(grouped(maxModelLen)) tokens (the context) needs \(grouped(needed)) blocks, "
      + "and there \(blocks == 1 ? "is 1" : "are \(grouped(blocks))"); it would with --max-model-len \(blocks * blockSize) or less"
  }
}
