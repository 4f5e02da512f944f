extension LinkCatalog {
  /// NVLink without the launch: what a message takes that was queued behind kernels. The fit is √(17² + (S/241)²); a
  /// latency and a bandwidth are its upper bound, exact at both ends.
  public static let nvlink3Kernel = LinkClass(
    name: "nvlink3-kernel",
    source: "measured: Vidur intra-node send_recv, kernel time, A100-SXM4 (costmodel.md 5)",
    costs: LinkCosts(latency: 17_000_000, bytesPerSecond: 241e9))
}

extension HardwareSpec {
  /// The link in a node of messages inside a step (DistAttention's exchanges, moves): they are queued behind kernels,
  /// so the launch that a host-timed measurement includes is not on their path. Other links were not measured so.
  public var queuedLink: LinkClass {
    inNodeLink == LinkCatalog.nvlink3 ? LinkCatalog.nvlink3Kernel : inNodeLink
  }
}
