/// What of a run's costs no measurement supports.
public enum UnvalidatedCosts {
  /// One sentence for each such cost that `model` on `hardware`, cut as `shape` and run by `engine`, is charged;
  /// empty when all of them were fitted to measurements. `interNodeLink` is `nil` for a single node.
  public static func sentences(
    model: ModelSpec, hardware: HardwareSpec, shape: InstanceShape, engine: EngineProfile,
    interNodeLink: LinkClass? = nil, cacheIsInt8: Bool = false
  ) -> [String] {
    hardware.unvalidated.map { "\(hardware.name): \($0)" } + weights(model, hardware)
      + attention(model, hardware, engine, cacheIsInt8) + parallelism(hardware, shape, interNodeLink)
  }

  private static func weights(_ model: ModelSpec, _ hardware: HardwareSpec) -> [String] {
    func sentence(_ what: String, _ format: WeightFormat) -> String {
      "\(what) in \(format.rawValue) are charged as kernels of 16 bits with weights of "
        + "\(Double((format.bitsPerWeight * 100).rounded()) / 100) bits: no such kernel was measured on \(hardware.name)"
    }
    var sentences: [String] = []
    if hardware.measuredGEMM(model.weights) == nil { sentences.append(sentence("matrices", model.weights)) }
    if let experts = model.experts, hardware.measuredExperts(experts.weights ?? model.weights) == nil {
      sentences.append(sentence("experts", experts.weights ?? model.weights))
    }
    return sentences
  }

  private static func attention(
    _ model: ModelSpec, _ hardware: HardwareSpec, _ engine: EngineProfile, _ cacheIsInt8: Bool
  ) -> [String] {
    var sentences: [String] = []
    let readsFP8 = model.latent == nil ? hardware.flashAttention3FP8 != nil : hardware.latentDecodeFP8 != nil
    if model.kvBytesPerElement != model.bytesPerElement, model.kvBytesPerElement != 1 || !readsFP8 {
      sentences.append(
        "a KV cache of \(model.kvBytesPerElement) byte per element (fp8, int8) is charged by its size only: no kernel "
          + "that reads it was measured")
    } else if cacheIsInt8 {
      sentences.append("an int8 KV cache is charged as one in fp8: no kernel that reads int8 was measured")
    }
    if model.window != nil {
      sentences.append("a sliding window is charged as a context of that length: no such kernel was measured")
    }
    if let window = model.alternatingWindow {
      sentences.append(
        "layers whose attention reaches back \(window) tokens only are charged, and held in memory, as if it reached "
          + "back to the start")
    }
    if model.latent != nil {
      if hardware.latentPrefill != nil { return sentences }
      sentences.append(
        "prefill of a latent (MLA) is charged as multi-head attention of its widths, and its absorbed projections as "
          + "one product each: neither was measured")
      return sentences
    }
    if model.headDim != 128 {
      sentences.append(
        "attention with heads of \(model.headDim): "
          + (hardware.flashAttention3 == nil
            ? "kernels were measured with 128"
            : "constants were fitted to 128, and are 8 to 35 % off in the mean on other widths"))
    }
    if hardware.flashAttention3 != nil {
      if engine.decodeKernel != .flashAttention {
        sentences.append(
          "decode kernel \(engine.decodeKernel.rawValue) on \(hardware.name): it is charged as FlashAttention-3, the only "
            + "one that was measured")
      }
      return sentences
    }
    let isGrouped = !model.isMultiHead
    switch engine.decodeKernel {
    case .flashInfer where isGrouped:
      sentences.append(
        "decode kernel flashinfer with grouped heads: it was measured with as many KV heads as heads")
    case .unsplit where isGrouped:
      sentences.append(
        "decode kernel no-split with grouped heads: it was measured with as many KV heads as heads")
    default: break
    }
    return sentences
  }

  private static func parallelism(_ hardware: HardwareSpec, _ shape: InstanceShape, _ link: LinkClass?)
    -> [String]
  {
    var sentences: [String] = []
    if shape.expertParallel {
      sentences.append("the all-to-all of expert parallelism is charged as tensor parallelism's all-reduce")
    }
    if shape.tpAcrossNodes {
      sentences.append("an all-reduce across nodes is composed of one in the node and a tree between nodes")
    }
    if case .fits(let fits) = hardware.allReduce, shape.tp > 1, !shape.tpAcrossNodes,
      !fits.contains(where: { $0.ranks == shape.tp })
    {
      sentences.append(
        "an all-reduce of \(shape.tp) GPUs is interpolated between, or continued beyond, measured group sizes"
      )
    }
    if let link, !link.source.hasPrefix("measured") {
      sentences.append("link \(link.name) is not measured: \(link.source)")
    }
    return sentences
  }
}
