import Testing

import Sim

@Suite struct RandomStreamTests {
  @Test("The generator underneath is SplitMix64, by its published first outputs for seed 1234567")
  func splitMix64() {
    let outputs = (0..<5).map { RandomStream.splitMix64(start: 1_234_567, position: $0) }
    #expect(
      outputs == [
        6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423,
        4_593_380_528_125_082_431, 16_408_922_859_458_223_821,
      ])
  }

  @Test("A draw never changes: fixed values of one stream")
  func fixedValues() {
    let stream = RandomStream(seed: 7, name: "gaps")
    let draws = [(0, 0), (0, 1), (1, 0), (12, 3)].map { stream.bits(entity: $0.0, ordinal: $0.1) }
    // Computed apart, in Python, from the definition.
    #expect(
      draws == [
        9_449_406_973_381_908_768, 3_180_815_198_760_238_932, 18_038_891_608_952_430_553,
        15_462_970_533_737_335_732,
      ])
  }

  @Test("Seed, name, entity and ordinal each change the draw")
  func addresses() {
    let base = RandomStream(seed: 1, name: "a")
    var draws: Set<UInt64> = [
      RandomStream(seed: 2, name: "a").bits(entity: 0, ordinal: 0),
      RandomStream(seed: 1, name: "b").bits(entity: 0, ordinal: 0),
    ]
    for entity in 0..<100 {
      for ordinal in 0..<100 { draws.insert(base.bits(entity: entity, ordinal: ordinal)) }
    }
    #expect(draws.count == 10_002)
  }

  @Test("Unit draws lie in (0, 1] with mean 1/2 and variance 1/12, along entities and along ordinals")
  func unitMoments() {
    let stream = RandomStream(seed: 3, name: "moments")
    for draw in [{ stream.unit(entity: $0, ordinal: 0) }, { stream.unit(entity: 0, ordinal: $0) }] {
      let values = (0..<100_000).map(draw)
      let mean = values.reduce(0, +) / 100_000
      let variance = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / 100_000
      #expect(values.allSatisfy { $0 > 0 && $0 <= 1 })
      // Five standard errors: 5·√(1/12/10⁵) and 5·√(1/180/10⁵).
      #expect(abs(mean - 0.5) < 0.0046)
      #expect(abs(variance - 1.0 / 12) < 0.0012)
    }
  }

  @Test("Bounded draws reach every value below the bound about equally often, and only those")
  func boundedDraws() {
    let stream = RandomStream(seed: 4, name: "bounded")
    var counts = [Int](repeating: 0, count: 7)
    for entity in 0..<70_000 { counts[stream.integer(below: 7, entity: entity, ordinal: 0)] += 1 }
    // Five standard deviations of a binomial count with mean 10,000.
    #expect(counts.allSatisfy { abs($0 - 10_000) < 463 })
    #expect(stream.integer(below: 1, entity: 9, ordinal: 9) == 0)
  }

  @Test("A bound below 1 and a negative entity trap")
  func traps() async {
    await #expect(processExitsWith: .failure) {
      _ = RandomStream(seed: 1, name: "a").integer(below: 0, entity: 0, ordinal: 0)
    }
    await #expect(processExitsWith: .failure) {
      _ = RandomStream(seed: 1, name: "a").bits(entity: -1, ordinal: 0)
    }
  }
}
