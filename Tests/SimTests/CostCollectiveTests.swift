import Sim
import Testing

@Suite("Cost of collectives and links")
struct CostCollectiveTests {
  /// Numbers of its own, so that a new fit of the catalogue moves no test.
  private let fitted = AllReduceCost.fits([
    AllReduceFit(ranks: 2, alpha: 10, bytesPerSecond: 200e9, exponent: 1),
    AllReduceFit(ranks: 4, alpha: 14, bytesPerSecond: 150e9, exponent: 0.5),
    AllReduceFit(ranks: 8, alpha: 20, bytesPerSecond: 100e9, exponent: 0.5),
  ])
  private let hdr = LinkCosts(latency: 98_000_000, bytesPerSecond: 21e9)

  @Test func `an all-reduce is a power mean of latency and wire`() {
    // 2 GPUs, exponent 1: 10 + 2,000,000 / 200e9 = 20 µs.
    #expect(abs(fitted.inNode(bytes: 2_000_000, ranks: 2) - 20) < 1e-9)
    // 8 GPUs, 2 MB: (√20 + √20)² = 80 µs. An empty tensor has the latency.
    #expect(abs(fitted.inNode(bytes: 2_000_000, ranks: 8) - 80) < 1e-9)
    #expect(fitted.inNode(bytes: 0, ranks: 8) == 20)
  }

  @Test func `vLLM's own all-reduce ends where NCCL takes over`() throws {
    let custom = try #require(HardwareCatalog.a100Measured.customAllReduce)
    #expect(custom.microseconds(bytes: custom.mostBytes + 1, ranks: 8) == nil)
    #expect(custom.microseconds(bytes: 1_024, ranks: 3) == nil)
    for ranks in [2, 4, 8] {
      let own = try #require(custom.microseconds(bytes: 1_024, ranks: ranks))
      #expect(own < HardwareCatalog.a100Measured.allReduce.inNode(bytes: 1_024, ranks: ranks))
    }
  }

  @Test func `one rank sums nothing`() {
    #expect(fitted.inNode(bytes: 1 << 20, ranks: 1) == 0)
    #expect(fitted.microseconds(bytes: 1 << 20, ranks: 1, nodes: 1, link: hdr) == 0)
  }

  @Test func `group sizes between the measured ones cost between their neighbours`() {
    for bytes in [256, 1 << 14, 1 << 20, 1 << 26] {
      let times = (2...16).map { fitted.inNode(bytes: bytes, ranks: $0) }
      let least = min(times[0], times[2])
      #expect(times[1] >= least && times[1] <= max(times[0], times[2]))
      for ranks in 4..<16 {
        #expect(times[ranks - 1] >= times[ranks - 2], "\(bytes) bytes, \(ranks + 1) ranks")
      }
    }
  }

  @Test func `across nodes the share of a GPU crosses its own NIC between two halves in the node`() {
    // 4 nodes of 8, 2 MB. In the node 80 µs. Latency: 2 · 2 · 98 = 392 µs.
    // Wire: 2 · 3/4 · 250,000 bytes / 21 GB/s = 17.857 µs.
    let time = fitted.microseconds(bytes: 2_000_000, ranks: 32, nodes: 4, link: hdr)
    #expect(abs(time - (80 + 392 + 17.857)) < 0.001)
  }

  @Test func `every named link is found and takes time, and slower ones take more`() {
    for link in LinkCatalog.all {
      #expect(LinkCatalog.named(link.name) == link)
      #expect(link.costs.transfer(bytes: 1) > 0)
    }
    #expect(LinkCatalog.named("carrier-pigeon") == nil)
    #expect(LinkCatalog.named("ethernet-1g")?.costs.transfer(bytes: 125_000_000) == 1_000_000_000_000)
  }

  @Test func `a hand-off sends each rank's share and gathers it`() {
    var hardware = HardwareCatalog.a100Measured
    hardware.allReduce = fitted
    let linear = LinearCost(
      model: ModelCatalog.llama7B, hardware: hardware, shape: InstanceShape(tp: 2),
      wiring: .inOneNode(hardware), engine: EngineCatalog.kernelsOnly)
    // 128 tokens: 1,048,576 bytes, half of it over HDR: 98 + 524,288 / 21e9 = 122.966 µs; half an all-reduce:
    // (10 + 5.243) / 2 = 7.621 µs.
    #expect(abs(linear.handoff(tokens: 128, link: hdr) - 130.588) < 0.001)
  }
}
