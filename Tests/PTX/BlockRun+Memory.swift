#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// Loads, stores, atomics and asynchronous copies, each checked: bounds, alignment, whether what is read was ever
/// written, and whether something orders it with other threads' accesses to the place.
extension BlockRun {
  /// A place in memory that a thread accesses.
  private struct Place {
    var bytes: UnsafeMutablePointer<UInt8>
    /// 1 for each byte that was written, if that is not known otherwise.
    var written: UnsafeMutablePointer<UInt8>?
    var writers: UnsafeMutablePointer<UInt64>?
    var readers: UnsafeMutablePointer<UInt64>?
    var granules: Int
    var isShared: Bool
  }

  func access(
    _ warp: Warp, _ i: UnsafePointer<Instruction>, _ active: UInt32, _ pc: Int
  ) throws(PTXError) {
    time += 1
    var order = self.order
    order.now = time
    order.warp = warp.barrierTime
    order.lanes = warp.hasLaneTimes ? warp.laneTimes : nil
    switch i.pointee.operation {
    case .load, .store: try loadOrStore(warp, i, active, pc, &order)
    case .copyAsync: try copyAsync(warp, i, active, pc, &order)
    default: try atomic(warp, i, active, pc, &order)
    }
  }

  /// The address that a lane names.
  @inline(__always)
  private func address(_ warp: Warp, _ i: UnsafePointer<Instruction>, _ lane: Int) -> UInt64 {
    get(warp, i.pointee.a, Int(i.pointee.sourceBytes), lane) &+ UInt64(bitPattern: Int64(i.pointee.immediate))
  }

  private func loadOrStore(
    _ warp: Warp, _ i: UnsafePointer<Instruction>, _ active: UInt32, _ pc: Int, _ order: inout Order
  ) throws(PTXError) {
    let isLoad = i.pointee.operation == .load
    let type = i.pointee.type
    let count = Int(i.pointee.vectorCount)
    let bytes = type.bytes
    let registerBytes = Int(i.pointee.destinationBytes)
    let vector = SIMD4(i.pointee.vector.0, i.pointee.vector.1, i.pointee.vector.2, i.pointee.vector.3)
    var counted = LaunchStatistics()
    defer { statistics += counted }
    var sector = UInt64.max
    var space = i.pointee.space
    var rest = active
    while rest != 0 {
      let lane = rest.trailingZeroBitCount
      rest &= rest &- 1
      let address = self.address(warp, i, lane)
      let place = try find(address, bytes * count, i.pointee.space, warp, lane, pc, &order)
      if isLoad {
        try checkRead(place, bytes * count, pc, order, isAtomic: i.pointee.isVolatile)
      } else {
        try checkWrite(place, bytes * count, pc, order, isAtomic: i.pointee.isVolatile)
      }
      for part in 0..<count {
        let at = UnsafeMutableRawPointer(place.bytes + part * bytes)
        if isLoad {
          let value: UInt64 =
            switch bytes {
            case 1: UInt64(at.loadUnaligned(as: UInt8.self))
            case 2: UInt64(at.loadUnaligned(as: UInt16.self))
            case 4: UInt64(at.loadUnaligned(as: UInt32.self))
            default: at.loadUnaligned(as: UInt64.self)
            }
          set(
            warp, vector[part], registerBytes, lane,
            registerBytes == bytes ? value : UInt64(bitPattern: Self.extended(value, type)))
        } else {
          let value = get(warp, vector[part], registerBytes, lane)
          switch bytes {
          case 1: at.storeBytes(of: UInt8(truncatingIfNeeded: value), as: UInt8.self)
          case 2: at.storeBytes(of: UInt16(truncatingIfNeeded: value), as: UInt16.self)
          case 4: at.storeBytes(of: UInt32(truncatingIfNeeded: value), as: UInt32.self)
          default: at.storeBytes(of: value, as: UInt64.self)
          }
        }
      }
      if place.isShared {
        space = .shared
      } else if place.writers != nil {
        if isLoad {
          counted.globalBytesRead += bytes * count
          if address / 32 != sector { counted.globalSectorsRead += max(1, bytes * count / 32) }
          sector = address / 32
        } else {
          counted.globalBytesWritten += bytes * count
        }
      }
    }
    if space == .shared { countPasses(warp, i, active, bytes * count) }
  }

  // MARK: - Finding a place

  @inline(__always)
  private func find(
    _ address: UInt64, _ count: Int, _ space: Space, _ warp: Warp, _ lane: Int, _ pc: Int,
    _ order: inout Order
  ) throws(PTXError) -> Place {
    order.thread = UInt64(warp.index * 32 + lane)
    guard address % UInt64(count) == 0 else {
      throw error(
        .memory, "thread \(order.thread) accesses \(count) bytes at \(hex(address)), which is not aligned", pc
      )
    }
    switch space {
    case .shared: return try findShared(address, count, pc, order)
    case .local: return try findLocal(address, count, warp, lane, pc, order)
    case .global, .const: return try findGlobal(address, count, pc, order)
    default:
      if address >= Window.local && address < Window.local + Window.size {
        return try findLocal(address - Window.local, count, warp, lane, pc, order)
      }
      if address >= Window.shared && address < Window.shared + Window.size {
        return try findShared(address - Window.shared, count, pc, order)
      }
      return try findGlobal(address, count, pc, order)
    }
  }

  @inline(__always)
  private func findShared(_ address: UInt64, _ count: Int, _ pc: Int, _ order: Order) throws(PTXError)
    -> Place
  {
    guard address <= UInt64(sharedBytes), count <= sharedBytes - Int(address) else {
      throw error(
        .memory,
        "thread \(order.thread) accesses shared memory at \(address), beyond its \(sharedBytes) bytes", pc)
    }
    let granule = Int(address) >> sharedShift
    return Place(
      bytes: shared + Int(address), written: nil, writers: sharedWriters + granule,
      readers: sharedReaders + granule,
      granules: max(1, count >> sharedShift), isShared: true)
  }

  private func findLocal(
    _ address: UInt64, _ count: Int, _ warp: Warp, _ lane: Int, _ pc: Int, _ order: Order
  ) throws(PTXError) -> Place {
    guard address <= UInt64(kernel.localBytes), count <= kernel.localBytes - Int(address) else {
      throw error(
        .memory,
        "thread \(order.thread) accesses local memory at \(address), beyond its \(kernel.localBytes) bytes",
        pc)
    }
    return Place(
      bytes: warp.local + lane * kernel.localBytes + Int(address), written: nil, writers: nil, readers: nil,
      granules: 0, isShared: false)
  }

  @inline(__always)
  private func findGlobal(_ address: UInt64, _ count: Int, _ pc: Int, _ order: Order) throws(PTXError)
    -> Place
  {
    var index = hints[pc]
    if index >= viewCount || address &- views[index].base >= views[index].size {
      index = search(address)
      hints[pc] = index
    }
    guard index < viewCount, address &- views[index].base <= views[index].size &- UInt64(count),
      UInt64(count) <= views[index].size
    else {
      throw error(
        .memory,
        "thread \(order.thread) accesses \(count) bytes of global memory at \(hex(address)), outside of any allocation",
        pc)
    }
    let view = views[index]
    let offset = Int(address &- view.base)
    let granule = offset >> globalShift
    return Place(
      bytes: view.bytes + offset, written: view.isWritten ? nil : view.written + offset,
      writers: view.writers + granule, readers: view.readers + granule,
      granules: max(1, count >> globalShift),
      isShared: false)
  }

  private func search(_ address: UInt64) -> Int {
    for index in 0..<viewCount where address &- views[index].base < views[index].size { return index }
    return 0
  }

  // MARK: - Checks

  @inline(__always)
  private func record(_ cell: UnsafeMutablePointer<UInt64>, _ isShared: Bool, _ order: Order) -> UInt64 {
    let record = cell.pointee
    // Shared memory is new in each block.
    return isShared && record >> 16 < order.block ? 0 : record
  }

  @inline(__always)
  private func checkRead(
    _ place: Place, _ count: Int, _ pc: Int, _ order: Order, isAtomic: Bool = false
  ) throws(PTXError) {
    if let written = place.written {
      for byte in 0..<count where written[byte] == 0 {
        throw error(.memory, "thread \(order.thread) reads global memory that was never written", pc)
      }
    }
    guard let writers = place.writers, let readers = place.readers else { return }
    for granule in 0..<place.granules {
      let writer = record(writers + granule, place.isShared, order)
      if writer == 0 && place.isShared {
        throw error(.memory, "thread \(order.thread) reads shared memory that was never written", pc)
      }
      if writer & Access.pending != 0 {
        throw error(.race, "thread \(order.thread) reads what an asynchronous copy has yet to bring", pc)
      }
      if !order.follows(writer) && !(isAtomic && writer & Access.atomic != 0) {
        throw error(
          .race,
          "thread \(order.thread) reads what \(Access.describe(writer, in: order)) wrote, and no barrier is between them",
          pc)
      }
      readers[granule] = order.reading(record(readers + granule, place.isShared, order), at: order.now)
    }
  }

  @inline(__always)
  private func checkWrite(
    _ place: Place, _ count: Int, _ pc: Int, _ order: Order, isAtomic: Bool = false, flag: UInt64 = 0
  ) throws(PTXError) {
    if let written = place.written { memset(written, 1, count) }
    guard let writers = place.writers, let readers = place.readers else { return }
    for granule in 0..<place.granules {
      let writer = record(writers + granule, place.isShared, order)
      let reader = record(readers + granule, place.isShared, order)
      if writer & Access.pending != 0 {
        throw error(.race, "thread \(order.thread) writes where an asynchronous copy is under way", pc)
      }
      if !order.follows(writer) && !(isAtomic && writer & Access.atomic != 0) {
        throw error(
          .race,
          "thread \(order.thread) writes what \(Access.describe(writer, in: order)) wrote, and no barrier is between them",
          pc)
      }
      if !order.follows(reader) {
        throw error(
          .race,
          "thread \(order.thread) writes what \(Access.describe(reader, in: order)) read, and no barrier is between them",
          pc)
      }
      writers[granule] = order.now << 16 | order.thread | (isAtomic ? Access.atomic : 0) | flag
    }
  }

  // MARK: - Parameters

  func loadParameter(
    _ warp: Warp, _ i: UnsafePointer<Instruction>, _ active: UInt32, _ pc: Int
  ) throws(PTXError) {
    let type = i.pointee.type
    let vector = [i.pointee.vector.0, i.pointee.vector.1, i.pointee.vector.2, i.pointee.vector.3]
    for lane in 0..<32 where active & 1 << UInt32(lane) != 0 {
      let address = self.address(warp, i, lane)
      let count = type.bytes * Int(i.pointee.vectorCount)
      guard address <= UInt64(parameters.count), count <= parameters.count - Int(address) else {
        throw error(.memory, "reads parameters at \(address), beyond their \(parameters.count) bytes", pc)
      }
      for part in 0..<Int(i.pointee.vectorCount) {
        var value: UInt64 = 0
        for byte in 0..<type.bytes {
          value |= UInt64(parameters[Int(address) + part * type.bytes + byte]) << UInt64(8 * byte)
        }
        set(
          warp, vector[part], Int(i.pointee.destinationBytes), lane,
          UInt64(bitPattern: Self.extended(value, type)))
      }
    }
  }

  // MARK: - Atomics

  private func atomic(
    _ warp: Warp, _ i: UnsafePointer<Instruction>, _ active: UInt32, _ pc: Int, _ order: inout Order
  ) throws(PTXError) {
    let type = i.pointee.type
    let bytes = type.bytes
    for lane in 0..<32 where active & 1 << UInt32(lane) != 0 {
      let place = try find(address(warp, i, lane), bytes, i.pointee.space, warp, lane, pc, &order)
      if let written = place.written, (0..<bytes).contains(where: { written[$0] == 0 }) {
        throw error(.memory, "an atomic changes global memory that was never written", pc)
      }
      if place.isShared, let writers = place.writers, record(writers, true, order) == 0 {
        throw error(.memory, "an atomic changes shared memory that was never written", pc)
      }
      try checkWrite(place, bytes, pc, order, isAtomic: true)
      let at = UnsafeMutableRawPointer(place.bytes)
      let old = bytes == 4 ? UInt64(at.load(as: UInt32.self)) : at.load(as: UInt64.self)
      let operand = get(warp, i.pointee.b, bytes, lane)
      let new: UInt64 =
        switch i.pointee.atomic {
        case .exch: operand
        case .cas: old == operand ? get(warp, i.pointee.c, bytes, lane) : old
        case .and: old & operand
        case .or: old | operand
        case .xor: old ^ operand
        case .add:
          switch type {
          case .f32: UInt64((Float(bitPattern: UInt32(old)) + Float(bitPattern: UInt32(operand))).bitPattern)
          case .f64: (Double(bitPattern: old) + Double(bitPattern: operand)).bitPattern
          default: old &+ operand
          }
        case .min, .max:
          if type.isSigned {
            UInt64(
              bitPattern: i.pointee.atomic == .min
                ? min(Self.extended(old, type), Self.extended(operand, type))
                : max(Self.extended(old, type), Self.extended(operand, type)))
          } else {
            i.pointee.atomic == .min ? min(old, operand) : max(old, operand)
          }
        }
      if bytes == 4 {
        at.storeBytes(of: UInt32(truncatingIfNeeded: new), as: UInt32.self)
      } else {
        at.storeBytes(of: new, as: UInt64.self)
      }
      if i.pointee.operation == .atomic { set(warp, i.pointee.d, bytes, lane, old) }
    }
  }

  // MARK: - Asynchronous copies

  private func copyAsync(
    _ warp: Warp, _ i: UnsafePointer<Instruction>, _ active: UInt32, _ pc: Int, _ order: inout Order
  ) throws(PTXError) {
    let size = i.pointee.immediate
    let counts = warp.lanes(i.pointee.b, UInt32.self)
    let sources = warp.lanes(i.pointee.a, UInt64.self)
    var sector = UInt64.max
    var counted = LaunchStatistics()
    defer { statistics += counted }
    for lane in 0..<32 where active & 1 << UInt32(lane) != 0 {
      let count = Int(counts[lane])
      guard count <= size else {
        throw error(.memory, "an asynchronous copy of \(count) of \(size) bytes", pc)
      }
      var data = SIMD16<UInt8>(repeating: 0)
      guard sources[lane] % UInt64(size) == 0 else {
        throw error(.memory, "an asynchronous copy from \(hex(sources[lane])), which is not aligned", pc)
      }
      if count > 0 {
        let source = try find(sources[lane], size, .global, warp, lane, pc, &order)
        try checkRead(source, count, pc, order)
        if count == 16 {
          data = UnsafeRawPointer(source.bytes).loadUnaligned(as: SIMD16<UInt8>.self)
        } else {
          for byte in 0..<count { data[byte] = source.bytes[byte] }
        }
        counted.globalBytesRead += count
        if sources[lane] / 32 != sector { counted.globalSectorsRead += 1 }
        sector = sources[lane] / 32
      }
      let to = get(warp, i.pointee.d, Int(i.pointee.destinationBytes), lane)
      let target = try find(to, size, .shared, warp, lane, pc, &order)
      try checkWrite(target, size, pc, order, flag: Access.pending)
      warp.copies.append(
        PendingCopy(
          lane: Int32(lane), bytes: Int32(size), to: Int(to), data: data, group: warp.committed[lane]))
    }
  }

  /// Ends the copies of all but the last `pending` groups that a thread committed; all its copies if negative.
  func finishCopies(_ warp: Warp, _ active: UInt32, pending: Int) {
    time += 1
    var kept = 0
    for index in warp.copies.indices {
      let copy = warp.copies[index]
      let lane = Int(copy.lane)
      let isDue = pending < 0 || copy.group < warp.committed[lane] - Int32(pending)
      guard active & 1 << UInt32(lane) != 0, isDue else {
        warp.copies[kept] = copy
        kept += 1
        continue
      }
      if copy.bytes == 16 {
        UnsafeMutableRawPointer(shared + copy.to).storeBytes(of: copy.data, as: SIMD16<UInt8>.self)
      } else {
        for byte in 0..<Int(copy.bytes) { shared[copy.to + byte] = copy.data[byte] }
      }
      for granule in copy.to >> sharedShift..<(copy.to + Int(copy.bytes)) >> sharedShift {
        sharedWriters[granule] = time << 16 | UInt64(warp.index * 32 + lane)
      }
    }
    warp.copies.removeLast(warp.copies.count - kept)
  }

  // MARK: - Banks

  /// Counts the passes over the 32 banks of 4 bytes: 128 bytes a pass at best, more if lanes of a pass want different
  /// words of a bank.
  private func countPasses(_ warp: Warp, _ i: UnsafePointer<Instruction>, _ active: UInt32, _ bytes: Int) {
    guard isDetailed else { return }
    let lanes = min(32, 128 / bytes)
    let words = max(1, bytes / 4)
    for first in stride(from: 0, to: 32, by: lanes) {
      var wanted = SIMD32<UInt64>(repeating: .max)
      var passes = SIMD32<UInt8>(repeating: 0)
      for lane in first..<first + lanes where active & 1 << UInt32(lane) != 0 {
        let word = (address(warp, i, lane) & (Window.size - 1)) / 4
        for offset in 0..<UInt64(words) {
          let bank = Int((word + offset) % 32)
          if wanted[bank] != word + offset {
            wanted[bank] = word + offset
            passes[bank] += 1
          }
        }
      }
      statistics.sharedPasses += Int(passes.max())
      statistics.sharedPassesNeeded += passes.max() > 0 ? 1 : 0
    }
  }
}
