import Sim
import Testing

@Suite("Cost of collectives and links")
struct CostCollectiveTests {
  private let measured = HardwareCatalog.a100Measured.allReduce
  private let hdr = LinkCatalog.hdr200.costs

  @Test func `an all-reduce is the lower of its two lines`() {
    // 8 GPUs, 8 KiB: 21.2 + 8192 / 6.9e9 = 22.387 µs against 27.570 µs.
    #expect(abs(measured.inNode(bytes: 8_192, ranks: 8) - 22.387) < 0.001)
    // 64 MiB: 27.5 + 67,108,864 / 117.6e9 = 598.15 µs.
    #expect(abs(measured.inNode(bytes: 1 << 26, ranks: 8) - 598.15) < 0.01)
  }

  @Test func `one rank sums nothing`() {
    #expect(measured.inNode(bytes: 1 << 20, ranks: 1) == 0)
    #expect(measured.microseconds(bytes: 1 << 20, ranks: 1, nodes: 1, link: hdr) == 0)
  }

  @Test func `group sizes between the measured ones cost between their neighbours`() {
    for bytes in [256, 1 << 14, 1 << 20, 1 << 26] {
      let times = (2...16).map { measured.inNode(bytes: bytes, ranks: $0) }
      let least = min(times[0], times[2])
      #expect(times[1] >= least && times[1] <= max(times[0], times[2]))
      for ranks in 4..<16 {
        #expect(times[ranks - 1] >= times[ranks - 2], "\(bytes) bytes, \(ranks + 1) ranks")
      }
    }
  }

  @Test func `across nodes the share of a GPU crosses its own NIC between two halves in the node`() {
    // 4 nodes of 8, 1 MiB. In the node: 27.5 + 1,048,576 / 117.6e9 = 36.417 µs. Latency: 2 · 2 · 98 = 392 µs.
    // Wire: 2 · 3/4 · 131,072 bytes / 21 GB/s = 9.362 µs.
    let time = measured.microseconds(bytes: 1 << 20, ranks: 32, nodes: 4, link: hdr)
    #expect(abs(time - (36.417 + 392 + 9.362)) < 0.01)
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
    let hardware = HardwareCatalog.a100Measured
    let linear = LinearCost(
      model: ModelCatalog.llama7B, hardware: hardware, tp: 2, wiring: .inOneNode(hardware))
    // 128 tokens: 1,048,576 bytes, half of it over HDR: 98 + 524,288 / 21e9 = 122.966 µs; half an all-reduce:
    // 36.781 / 2 = 18.391 µs.
    #expect(abs(linear.handoff(tokens: 128, link: hdr) - 141.357) < 0.01)
  }
}
