/// One operator's part of an iteration, on one GPU of every pipeline stage.
public struct OperatorCost: Hashable, Sendable {
  /// What sort of work it is, and so what bounds it.
  public enum Kind: String, Hashable, Sendable, CaseIterable {
    /// Matrix products and experts.
    case matrix
    /// Norms, rotary embedding, activation, residuals, KV write, embedding: bound by memory.
    case elementwise
    /// Decode and prefill attention.
    case attention
    /// All-reduce and hand-off: bound by a link.
    case communication
    /// The CPU, and GPUs that wait for it.
    case host
  }

  /// What reports call it.
  public var name: String
  /// The sort of work.
  public var kind: Kind
  /// Calls in the iteration; a fraction where layers differ and are averaged.
  public var calls: Double
  /// Time of all calls, µs.
  public var microseconds: Double
  /// Bytes that all calls must move, through memory or over the link; 0 for the host.
  public var bytes: Double
  /// Arithmetic of all calls, without padding; of elementwise kernels it is not counted.
  public var flops: Double
  /// Bits of the numbers that are multiplied, 16 or 8: a tensor core is twice as fast on 8.
  public var bits: Int

  /// Takes the parts as they are.
  public init(
    name: String, kind: Kind, calls: Double = 1, microseconds: Double, bytes: Double = 0, flops: Double = 0,
    bits: Int = 16
  ) {
    self.name = name
    self.kind = kind
    self.calls = calls
    self.microseconds = microseconds
    self.bytes = bytes
    self.flops = flops
    self.bits = bits
  }

  /// The same `factor` times over.
  public func scaled(by factor: Double) -> OperatorCost {
    OperatorCost(
      name: name, kind: kind, calls: calls * factor, microseconds: microseconds * factor,
      bytes: bytes * factor, flops: flops * factor, bits: bits)
  }

  /// The least time that the data sheet allows, µs.
  public func bound(_ roofline: Roofline) -> Double {
    switch kind {
    case .host: 0
    case .communication: bytes / roofline.linkBytesPerSecond * 1e6
    default:
      max(bytes / roofline.bytesPerSecond, flops * Double(bits) / 16 / roofline.flopsPerSecond) * 1e6
    }
  }
}

/// The peaks of a GPU by its data sheet.
public struct Roofline: Hashable, Sendable {
  /// The profile or card whose data sheet it is.
  public var name: String
  /// Memory bandwidth.
  public var bytesPerSecond: Double
  /// Arithmetic rate, FP16 or BF16, dense.
  public var flopsPerSecond: Double
  /// One direction of the link that an instance's own traffic runs over.
  public var linkBytesPerSecond: Double

  /// The data sheet of the card of `hardware`, its traffic on `link`.
  ///
  /// Cards that no profile knows are held against an A100-SXM4-80GB, which `name` then says.
  public init(of hardware: HardwareSpec, link: LinkClass? = nil) {
    let sheet =
      hardware.name.hasPrefix("h100")
      ? HardwareCatalog.h100Datasheet
      : hardware.name.hasPrefix("h200") ? HardwareCatalog.h200Datasheet : HardwareCatalog.a100Datasheet
    name = sheet.name
    // NVIDIA A100 data sheet: 2,039 GB/s; 1,555 GB/s (40 GB); 1,935 GB/s (80 GB PCIe).
    bytesPerSecond =
      switch hardware.name {
      case HardwareCatalog.a10040GB.name: 1_555e9
      case HardwareCatalog.a100PCIe.name: 1_935e9
      default: sheet.gemm.bytesPerSecond
      }
    flopsPerSecond = sheet.gemm.flopsPerSecond
    // PCIe 4 ×16: 31.5 GB/s per direction.
    let inNode =
      hardware.inNodeLink.name == LinkCatalog.pcie4.name ? 31.5e9 : sheet.inNodeLink.costs.bytesPerSecond
    // The profile's own link between nodes has a data sheet; of others the rate is the line's already.
    let between = link == hardware.interNodeLink ? sheet.interNodeLink : link
    linkBytesPerSecond = between.map { min(inNode, $0.costs.bytesPerSecond) } ?? inNode
  }
}
