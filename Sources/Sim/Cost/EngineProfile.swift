/// What a serving engine adds to its kernels, and which kernels it runs: one named profile.
public struct EngineProfile: Hashable, Sendable {
  /// The name in `EngineCatalog`.
  public var name: String
  /// One line for the catalogue.
  public var summary: String
  /// CPU time of an iteration.
  public var host: HostCost
  /// Time between kernels that the GPU stands idle, µs per layer.
  public var gapPerLayer: Double
  /// The least time of a layer whose kernels are launched one by one, µs; 0 with CUDA graphs.
  public var launchFloorPerLayer: Double
  /// Which decode attention it runs.
  public var decodeKernel: DecodeKernel
  /// Memory bandwidth of this engine's build of that kernel, as a share of what the hardware profile has for it.
  public var decodeBandwidthShare: Double
  /// Whether small tensors of a TP group are summed by vLLM's own kernel instead of NCCL.
  public var customAllReduce: Bool

  /// Takes the parts as they are.
  public init(
    name: String, summary: String, host: HostCost, gapPerLayer: Double = 0, launchFloorPerLayer: Double = 0,
    decodeKernel: DecodeKernel = .flashInfer, decodeBandwidthShare: Double = 1, customAllReduce: Bool = false
  ) {
    self.name = name
    self.summary = summary
    self.host = host
    self.gapPerLayer = gapPerLayer
    self.launchFloorPerLayer = launchFloorPerLayer
    self.decodeKernel = decodeKernel
    self.decodeBandwidthShare = decodeBandwidthShare
    self.customAllReduce = customAllReduce
  }
}

/// A decode-attention kernel.
public enum DecodeKernel: String, Hashable, Sendable, CaseIterable {
  /// FlashInfer: splits the context, and balances requests of different lengths.
  case flashInfer = "flashinfer"
  /// FlashAttention-2 with split keys and values.
  case flashAttention = "flash-attention"
  /// One thread block per request and KV head: a single long request is slow, as with PagedAttention v1.
  case unsplit = "no-split"
}
