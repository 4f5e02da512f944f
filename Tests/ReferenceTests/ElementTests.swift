import Testing

import Reference

@Suite struct ElementTests {
  private static func bits(_ element: ElementType, _ value: Float) -> UInt16 {
    let buffer = ElementBuffer(element, [value])
    return withExtendedLifetime(buffer) { buffer.bytes.load(as: UInt16.self) }
  }

  @Test func `Every half is widened exactly and rounded back to itself`() {
    for bits in UInt16.min...UInt16.max {
      let half = Float16(bitPattern: bits)
      let buffer = ElementBuffer(.fp16, count: 1)
      buffer.bytes.storeBytes(of: bits, as: UInt16.self)
      let wide = buffer.floats(0..<1)[0]
      #expect(wide.bitPattern == Float(half).bitPattern || (wide.isNaN && half.isNaN))
      guard !half.isNaN else { continue }
      buffer.write([wide], at: 0)
      #expect(buffer.bytes.load(as: UInt16.self) == bits)
    }
  }

  @Test func `Rounding to a half goes to the nearest, ties to even`() {
    // Every float between two neighbouring halves that a tie or its neighbours could be.
    for bits in UInt16.min..<0x7C00 {
      let low = Float(Float16(bitPattern: bits))
      let high = bits == 0x7BFF ? 65536 : Float(Float16(bitPattern: bits + 1))
      let middle = low + (high - low) / 2
      for value in [middle.nextDown, middle, middle.nextUp, -middle] {
        #expect(Self.bits(.fp16, value) == Float16(value).bitPattern)
      }
    }
  }

  @Test func `Rounding to bf16 goes to the nearest, ties to even, and keeps NaN and infinity`() {
    let cases: [(Float, UInt16)] = [
      (1, 0x3F80), (Float(bitPattern: 0x3F80_8000), 0x3F80), (Float(bitPattern: 0x3F81_8000), 0x3F82),
      (Float(bitPattern: 0x3F80_8001), 0x3F81), (.infinity, 0x7F80), (.greatestFiniteMagnitude, 0x7F80),
      (-0.0, 0x8000),
    ]
    for (value, bits) in cases {
      #expect(Self.bits(.bf16, value) == bits)
    }
    #expect(ElementBuffer(.bf16, [.nan]).floats(0..<1)[0].isNaN)
    #expect(ElementBuffer(.bf16, [Float(bitPattern: 0x7F80_0001)]).floats(0..<1)[0].isNaN)
  }
}
