/// A named class of link and what one flow over it costs.
public struct LinkClass: Hashable, Sendable {
  /// The name in `LinkCatalog`.
  public var name: String
  /// Where the numbers come from.
  public var source: String
  /// Latency and bandwidth.
  public var costs: LinkCosts

  /// Takes the parts as they are.
  public init(name: String, source: String, costs: LinkCosts) {
    self.name = name
    self.source = source
    self.costs = costs
  }

  /// `latency` in µs, `gigabytesPerSecond` in 10⁹ bytes per second.
  init(_ name: String, latency: Int64, gigabytesPerSecond: Double, source: String) {
    self.init(
      name: name, source: source,
      costs: LinkCosts(latency: latency * 1_000_000, bytesPerSecond: gigabytesPerSecond * 1e9))
  }
}

/// The links known by name. Bandwidth is of one flow in one direction: one GPU's NVLink ports or NIC.
public enum LinkCatalog {
  /// Fitted to 1,487 messages of up to 5 GB, the launch included.
  public static let nvlink3 = LinkClass(
    "nvlink3", latency: 35, gigabytesPerSecond: 258,
    source: "measured: Vidur intra-node send_recv, host-timed, A100-SXM4 (docs/costs.md)")
  /// NVLink as the data sheet has it.
  public static let nvlink3Datasheet = LinkClass(
    "nvlink3-datasheet", latency: 0, gigabytesPerSecond: 300,
    source: "NVIDIA A100: 12 NVLink3 of 25 GB/s per direction")
  /// NVLink of an H100 as the data sheet has it.
  public static let nvlink4Datasheet = LinkClass(
    "nvlink4-datasheet", latency: 0, gigabytesPerSecond: 450,
    source: "NVIDIA H100: 18 NVLink4 of 25 GB/s per direction")
  /// PCIe 4 ×16 between GPUs of a node.
  public static let pcie4 = LinkClass(
    "pcie4", latency: 17, gigabytesPerSecond: 25,
    source: "Assumed: 80 % of 31.5 GB/s (costmodel.md 5 has all-reduce only), nvlink3's latency")
  /// What engines get between DGX nodes: the default.
  public static let hdr200 = LinkClass(
    "hdr200", latency: 109, gigabytesPerSecond: 20.85,
    source: "measured: Vidur inter-node send_recv, host-timed, 200 Gb/s HDR (docs/costs.md)")
  /// The NIC as the data sheet has it.
  public static let hdr200Datasheet = LinkClass(
    "hdr200-datasheet", latency: 0, gigabytesPerSecond: 25,
    source: "DGX A100: one 200 Gb/s ConnectX-6 per GPU")
  /// 400 Gb/s InfiniBand as the data sheet has it.
  public static let infiniband400Datasheet = LinkClass(
    "ib400-datasheet", latency: 0, gigabytesPerSecond: 50,
    source: "DGX H100: one 400 Gb/s ConnectX-7 per GPU")
  /// The Infinite-LLM testbed's nodes are reported to be joined by Ethernet of 125 MB/s.
  public static let ethernet1g = LinkClass(
    "ethernet-1g", latency: 50, gigabytesPerSecond: 0.125,
    source: "line rate, as reported of the Infinite-LLM testbed. Assumed: 50 µs latency")
  /// 10 Gb/s Ethernet.
  public static let ethernet10g = LinkClass(
    "ethernet-10g", latency: 50, gigabytesPerSecond: 1.25, source: "line rate. Assumed: 50 µs latency")
  /// 25 Gb/s Ethernet.
  public static let ethernet25g = LinkClass(
    "ethernet-25g", latency: 50, gigabytesPerSecond: 3.125, source: "line rate. Assumed: 50 µs latency")
  /// 100 Gb/s Ethernet.
  public static let ethernet100g = LinkClass(
    "ethernet-100g", latency: 50, gigabytesPerSecond: 12.5, source: "line rate. Assumed: 50 µs latency")
  /// 400 Gb/s Ethernet.
  public static let ethernet400g = LinkClass(
    "ethernet-400g", latency: 50, gigabytesPerSecond: 50, source: "line rate. Assumed: 50 µs latency")

  /// All classes, in the order in which they are listed.
  public static let all = [
    nvlink3, nvlink3Kernel, nvlink3Datasheet, nvlink4Datasheet, pcie4, hdr200, hdr200Datasheet,
    infiniband400Datasheet,
    ethernet1g,
    ethernet10g, ethernet25g, ethernet100g, ethernet400g,
  ]

  /// The class of that name, or `nil`.
  public static func named(_ name: String) -> LinkClass? { all.first { $0.name == name } }
}
