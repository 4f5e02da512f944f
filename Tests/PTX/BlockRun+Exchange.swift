/// Instructions by which the threads of a warp see each other's registers.
extension BlockRun {
  func exchange(
    _ warp: Warp, _ instruction: UnsafePointer<Instruction>, _ active: UInt32, _ pc: Int
  ) throws(PTXError) {
    switch instruction.pointee.operation {
    case .ballot, .voteAny, .voteAll:
      var votes = warp.lanes(instruction.pointee.a, UInt32.self)[0]
      if instruction.pointee.combinedIsNegated { votes = ~votes }
      votes &= active
      switch instruction.pointee.operation {
      case .ballot:
        let d = warp.lanes(instruction.pointee.d, UInt32.self)
        each(active) { d[$0] = votes }
      case .voteAny: assign(warp, instruction.pointee.d, votes != 0 ? .max : 0, active)
      default: assign(warp, instruction.pointee.d, votes == active ? .max : 0, active)
      }
    default: try shuffle(warp, instruction, active, pc)
    }
  }

  private func shuffle(
    _ warp: Warp, _ instruction: UnsafePointer<Instruction>, _ active: UInt32, _ pc: Int
  ) throws(PTXError) {
    statistics.shuffles += 1
    let d = warp.lanes(instruction.pointee.d, UInt32.self)
    let a = warp.lanes(instruction.pointee.a, UInt32.self)
    let b = warp.lanes(instruction.pointee.b, UInt32.self)
    let c = warp.lanes(instruction.pointee.c, UInt32.self)
    var values = SIMD32<UInt32>(repeating: 0)
    for lane in 0..<32 { values[lane] = a[lane] }
    var inRange: UInt32 = 0
    for lane in 0..<32 where active & 1 << UInt32(lane) != 0 {
      // PTX ISA, shfl.sync: bits 8...12 of c mark segments, bits 0...4 clamp.
      let segment = Int(c[lane] >> 8 & 31)
      let clamp = Int(c[lane] & 31)
      let most = lane & segment | clamp & ~segment
      let least = lane & segment
      let by = Int(b[lane] & 31)
      var source: Int
      let isInRange: Bool
      switch instruction.pointee.operation {
      case .shuffleUp: (source, isInRange) = (lane - by, lane - by >= most)
      case .shuffleDown: (source, isInRange) = (lane + by, lane + by <= most)
      case .shuffleXor: (source, isInRange) = (lane ^ by, lane ^ by <= most)
      default:
        source = least | by & ~segment
        isInRange = source <= most
      }
      if !isInRange { source = lane }
      guard active >> UInt32(source) & 1 != 0 else {
        throw error(.synchronisation, "lane \(lane) shuffles from lane \(source), which takes no part", pc)
      }
      if isInRange { inRange |= 1 << UInt32(lane) }
      d[lane] = values[source]
    }
    assign(warp, instruction.pointee.e, inRange, active)
  }
}
