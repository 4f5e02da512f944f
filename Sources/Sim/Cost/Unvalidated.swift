/// What of a run's costs no measurement supports.
public enum UnvalidatedCosts {
  /// One sentence for each such cost that `model` on `hardware`, cut as `shape` and run by `engine`, is charged;
  /// empty when all of them were fitted to measurements. `interNodeLink` is `nil` for a single node.
  public static func sentences(
    model: ModelSpec, hardware: HardwareSpec, shape: InstanceShape, engine: EngineProfile,
    interNodeLink: LinkClass? = nil
  ) -> [String] {
    hardware.unvalidated.map { "\(hardware.name): \($0)" } + attention(model, engine)
      + parallelism(hardware, shape, interNodeLink)
  }

  private static func attention(_ model: ModelSpec, _ engine: EngineProfile) -> [String] {
    var sentences: [String] = []
    if model.kvBytesPerElement != model.bytesPerElement {
      sentences.append(
        "a KV cache of \(model.kvBytesPerElement) byte per element (fp8, int8) is charged by its size only: no kernel "
          + "that reads it was measured")
    }
    if model.window != nil {
      sentences.append("a sliding window is charged as a context of that length: no such kernel was measured")
    }
    if model.latent != nil {
      sentences.append(
        "prefill of a latent (MLA) is charged as multi-head attention of its widths, and its absorbed projections as "
          + "one product each: neither was measured")
      return sentences
    }
    if model.headDim != 128 {
      sentences.append("attention with heads of \(model.headDim): kernels were measured with 128")
    }
    let isGrouped = model.kvHeads < model.queryHeads
    switch engine.decodeKernel {
    case .flashInfer where isGrouped:
      sentences.append("decode kernel flashinfer with grouped heads: it was measured with as many KV heads as heads")
    case .flashAttention where !isGrouped:
      sentences.append(
        "decode kernel flash-attention with as many KV heads as heads: there the measured engine does not split")
    case .unsplit where isGrouped:
      sentences.append("decode kernel no-split with grouped heads: it was measured with as many KV heads as heads")
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
    if case .fits(let fits) = hardware.allReduce, shape.tp > 1, !fits.contains(where: { $0.ranks == shape.tp }) {
      sentences.append("an all-reduce of \(shape.tp) GPUs is interpolated between measured group sizes")
    }
    if let link, !link.source.hasPrefix("measured") {
      sentences.append("link \(link.name) is not measured: \(link.source)")
    }
    return sentences
  }
}
