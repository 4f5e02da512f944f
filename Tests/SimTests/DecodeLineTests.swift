import Sim
import Testing

/// Decode attention as the engine charges it: chords of the kernel's curve.
@Suite("Decode lines")
struct DecodeLineTests {
  /// A curve with a bend and a fall, which a kernel may have where it changes its number of splits.
  private static let curve: @Sendable (Int, Int) -> Int64 = { sequences, context in
    let tokens = Int64(sequences * context)
    return 5_000 + 30 * tokens + (context >= 64 && context < 128 ? 9_000 : 0)
  }

  private func costs(_ decode: (@Sendable (Int, Int) -> Int64)?) -> InstanceCosts {
    InstanceCosts(
      stages: 1, ranks: 1, layersPerStage: 1, hostBase: 0, hostPerSequence: 0, decodeFloor: 7, contextRate: 3,
      prefillFloor: 0, prefillTokenRate: 0, prefillPairRate: 0, decode: decode, linear: { Int64($0) })
  }

  @Test func `without a curve there is one straight line`() {
    var costs = costs(nil)
    let line = costs.decodeLine(sequences: 4, context: 1_000)
    #expect(line.until == .max && line.time(context: 1_000) == 7 + 3 * 1_000)
    #expect(costs.decodeTime(sequences: 4, context: 1_000) == 3_007)
  }

  @Test func `lines meet, never fall, and are the curve at knots that do not lie on a fall`() {
    var costs = costs(Self.curve)
    for sequences in [1, 3, 100] {
      var context: Int64 = 0
      var last: Int64 = 0
      var line = costs.decodeLine(sequences: sequences, context: 0)
      for _ in 0..<12 {
        #expect(line.rate >= 0 && line.until == 2 * line.from)
        #expect(line.time(context: line.from) >= last)
        let mean = Int(line.from) / sequences
        if mean < 64 { #expect(line.base == Self.curve(sequences, mean)) }
        last = line.time(context: line.until)
        context = line.until
        line = costs.decodeLine(sequences: sequences, context: context)
        #expect(line.from == context)
      }
    }
  }

  @Test func `the remembered and the recomputed time are the same, in any order of asking`() {
    var costs = costs(Self.curve)
    for context: Int64 in [100_000, 3, 0, 77, 64, 1, 4_096, 127, 128] {
      for sequences in [7, 1, 300] {
        #expect(
          costs.decodeLine(sequences: sequences, context: context).time(context: context)
            == costs.decodeTime(sequences: sequences, context: context))
      }
    }
  }

  @Test(arguments: DecodeKernel.allCases)
  func `at powers of two the chord is the kernel's own time, up to the nanosecond`(kernel: DecodeKernel)
    throws
  {
    let hardware = HardwareCatalog.a100Measured
    var engine = EngineCatalog.vllm
    engine.decodeKernel = kernel
    let costs = try InstanceCosts(
      model: ModelCatalog.llama7B, hardware: hardware, shape: InstanceShape(), wiring: .inOneNode(hardware),
      engine: engine)
    let attention = AttentionCost(model: ModelCatalog.llama7B, hardware: hardware, tp: 1, kernel: kernel)
    for context in [256, 1_024, 16_384] {
      let exact = 32 * attention.decode(sequences: 8, context: context) * 1e6
      let found = Double(costs.decodeTime(sequences: 8, context: Int64(8 * context)))
      // A kernel that gets faster where it splits once more is held at what the shorter context took.
      #expect(found >= exact - 1 && found < exact * 1.1, "\(kernel) \(context)")
    }
  }

  @Test func `without splits one long context sets the time, with splits the bytes do`() throws {
    // costmodel.md 3: 131K tokens on 8 heads take 3.0 ms a layer without splitting, about 0.35 ms split.
    let hardware = HardwareCatalog.a100Measured
    func layer(_ kernel: DecodeKernel) throws -> Double {
      var engine = EngineCatalog.vllm
      engine.decodeKernel = kernel
      let costs = try InstanceCosts(
        model: ModelCatalog.llama70B, hardware: hardware, shape: InstanceShape(),
        wiring: .inOneNode(hardware),
        engine: engine)
      let sum = costs.decodeTime(sequences: 1, context: 131_072)
      let longest = costs.longest.map { $0.time(sequences: 1, context: 131_072) } ?? 0
      return Double(max(sum, longest)) * 1e-6 / 80
    }
    #expect(try abs(layer(.unsplit) / 3_000 - 1) < 0.1)
    #expect(try abs(layer(.flashAttention) / 350 - 1) < 0.15)
  }

  @Test func `a window cuts the pairs that a chunk meets`() {
    var costs = costs(nil)
    costs.window = 10
    for new in [1, 3, 12, 40] {
      for cached in [0, 4, 9, 10, 30] {
        let counted = (1...new).reduce(0) { $0 + min(cached + $1, 10) }
        #expect(costs.pairs(new: new, cached: cached) == Int128(counted))
      }
    }
  }
}
