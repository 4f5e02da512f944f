/// Everything in a layer but attention, on one rank of a TP group, in microseconds.
public struct LinearCost: Sendable {
  private let model: ModelSpec
  private let hardware: HardwareSpec
  private let tp: Int
  /// Sums one tensor of that many bytes over the TP group.
  private let allReduce: @Sendable (_ bytes: Int) -> Double

  /// One rank of `tp`, the group spread over `wiring.tpNodes` nodes.
  public init(model: ModelSpec, hardware: HardwareSpec, tp: Int, wiring: InstanceWiring) {
    self.model = model
    self.hardware = hardware
    self.tp = tp
    allReduce = { bytes in
      hardware.allReduce.microseconds(bytes: bytes, ranks: tp, nodes: wiring.tpNodes, link: wiring.interNode)
    }
  }

  /// The four matrix products (QKV, O, gate + up, down), two norms, rotary embedding, activation and two
  /// residual additions on `tokens` tokens: what Vidur's profiles measure, µs.
  public func kernels(tokens: Int) -> Double {
    let queries = model.queryHeads / tp * model.headDim
    let keys = model.kvHeadsPerRank(tp: tp) * model.headDim
    let feedForward = model.intermediate / tp
    let (hidden, gemm) = (model.hidden, hardware.gemm)
    return gemm.microseconds(rows: tokens, inner: hidden, columns: queries + 2 * keys)
      + gemm.microseconds(rows: tokens, inner: queries, columns: hidden)
      + gemm.microseconds(rows: tokens, inner: hidden, columns: (model.gatedFFN ? 2 : 1) * feedForward)
      + gemm.microseconds(rows: tokens, inner: feedForward, columns: hidden)
      + 2 * hardware.rmsNorm.microseconds(elements: tokens * hidden)
      + hardware.rope.microseconds(elements: tokens * (queries + keys))
      // Assumed: ReLU and GELU cost what SiLU · gate does.
      + hardware.activation.microseconds(elements: tokens * feedForward)
      + 2 * hardware.residualAdd.microseconds(elements: tokens * hidden)
  }

  /// `kernels`, the write of new keys and values, and the two all-reduces of a TP group, µs.
  public func layer(tokens: Int) -> Double {
    let written = 2 * tokens * model.kvHeadsPerRank(tp: tp) * model.headDim * model.bytesPerElement
    return kernels(tokens: tokens) + hardware.kvWrite.microseconds(bytes: Double(written))
      + (tp > 1 ? 2 * allReduce(activationBytes(tokens)) : 0)
  }

  /// Looking up `tokens` embeddings, µs.
  public func embedding(tokens: Int) -> Double {
    hardware.embedding.microseconds(elements: tokens * model.hidden)
  }

  /// The LM head on `samples` tokens, its vocabulary cut over the ranks, µs.
  /// Left out: gathering the logits and sampling, which the host's time includes.
  public func head(samples: Int) -> Double {
    hardware.gemm.microseconds(rows: samples, inner: model.hidden, columns: (model.vocab + tp - 1) / tp)
  }

  /// Handing `tokens` activations to the next pipeline stage over `link`: each rank sends its 1/TP share and
  /// the receiving group gathers them, which is half an all-reduce, µs.
  public func handoff(tokens: Int, link: LinkCosts) -> Double {
    let bytes = activationBytes(tokens)
    let send = Double(link.latency + link.transfer(bytes: (bytes + tp - 1) / tp)) * 1e-6
    return send + (tp > 1 ? allReduce(bytes) / 2 : 0)
  }

  /// Bytes of the residual stream of `tokens` tokens.
  private func activationBytes(_ tokens: Int) -> Int { tokens * model.hidden * model.bytesPerElement }
}
