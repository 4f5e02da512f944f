/// Decode attention of one request in one layer, its keys and values spread over several GPUs of a node: what the
/// ways of computing it take, in µs.
public struct RemoteAttention: Sendable {
  private let model: ModelSpec
  private let hardware: HardwareSpec
  private let gpus: Int
  private let kernel: DecodeKernel
  private let link: LinkCosts

  /// `gpus` ≥ 2 GPUs, each an instance of its own for DistAttention, joined by `link` (NVLink unless given).
  public init(
    model: ModelSpec, hardware: HardwareSpec, gpus: Int, kernel: DecodeKernel? = nil, link: LinkCosts? = nil
  ) {
    self.model = model
    self.hardware = hardware
    self.gpus = gpus
    self.kernel = kernel ?? .flashInfer
    self.link = link ?? hardware.queuedLink.costs
  }

  /// One message of `bytes`.
  private func message(_ bytes: Double) -> Double {
    Double(link.latency) * 1e-6 + bytes / link.bytesPerSecond * 1e6
  }

  private func kernel(context: Int, tp: Int = 1) -> Double {
    let attention = AttentionCost(model: model, hardware: hardware, tp: tp, kernel: kernel)
    let longest = attention.longest(sequences: 1).map { $0.constant + $0.perToken * Double(context) }
    return max(attention.decode(sequences: 1, context: context), longest ?? 0)
  }

  /// Bytes of keys and values of `tokens` tokens of one layer.
  private func cached(_ tokens: Int) -> Double {
    Double(tokens) * Double(model.kvBytesPerTokenPerLayer(tp: 1))
  }

  /// The part of `context` that each GPU holds, rounded up.
  private func shard(_ context: Int) -> Int { (context + gpus - 1) / gpus }

  /// DistAttention: the query out to the hosts, every GPU attends to its part, the partial results back, and the
  /// merge. The hosts' links are their own, so the messages do not add up.
  public func dist(context: Int) -> Double {
    let traffic = DistAttentionTraffic(model: model, tp: 1)
    let merge =
      hardware.residualAdd.least
      + Double(gpus - 1) * hardware.residualAdd.perElement * Double(traffic.outputElements)
    return message(Double(traffic.queryBytes)) + kernel(context: shard(context))
      + message(Double(traffic.partialBytes)) + merge
  }

  /// The hosts' keys and values to the home in one message each, one after the other on the home's link: the
  /// movement alone, without the attention that follows.
  public func shipCache(context: Int) -> Double {
    message(cached(context - shard(context)))
  }

  /// Head-wise tensor parallelism: every GPU attends to the whole context with its heads, and the group sums the
  /// output. `nil` when the heads do not divide.
  public func headWise(context: Int) -> Double? {
    guard model.queryHeads.isMultiple(of: gpus) else { return nil }
    return kernel(context: context, tp: gpus)
      + hardware.allReduce.inNode(bytes: model.hidden * model.bytesPerElement, ranks: gpus)
  }

  /// Ring attention: the parts of the cache go round; each step takes the longer of sending a part on and attending
  /// to it, and the last one only attends.
  public func ring(context: Int) -> Double {
    let part = shard(context)
    let compute = kernel(context: part)
    return Double(gpus - 1) * max(compute, message(cached(part))) + compute
  }

  /// Bandwidth that each GPU must read its part at, for DistAttention on `context` to take `microseconds` with the
  /// latencies that an empty context has, bytes per second; infinite when they alone take longer.
  public func impliedBandwidth(context: Int, microseconds: Double) -> Double {
    let left = microseconds - dist(context: 1)
    return left > 0 ? cached(shard(context)) / left * 1e6 : .infinity
  }
}
