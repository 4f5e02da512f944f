/// Threads of a warp that are at the same instruction.
struct Group {
  var pc: Int
  var mask: UInt32
  /// Whether they wait for other threads of the warp.
  var waits = false
}

/// An asynchronous copy that has been issued; what it brings is not in shared memory before it is waited for.
struct PendingCopy {
  var lane: Int32
  var bytes: Int32
  var to: Int
  var data: SIMD16<UInt8>
  /// Groups that its thread had committed before.
  var group: Int32
}

/// A warp while its block runs.
final class Warp {
  let index: Int
  let registers: UnsafeMutableRawPointer
  let local: UnsafeMutablePointer<UInt8>
  var groups: [Group] = []
  var live: UInt32 = 0
  var isAtBarrier = false
  /// Time of the last barrier of the whole warp.
  var barrierTime: UInt64 = 0
  let laneTimes: UnsafeMutablePointer<UInt64>
  var hasLaneTimes = false
  var copies: [PendingCopy] = []
  var committed = SIMD32<Int32>(repeating: 0)

  init(index: Int, registerBytes: Int, localBytes: Int) {
    self.index = index
    registers = .allocate(byteCount: max(registerBytes, 32), alignment: 64)
    local = .allocate(capacity: max(localBytes * 32, 1))
    laneTimes = .allocate(capacity: 32 * 32)
  }

  deinit {
    registers.deallocate()
    local.deallocate()
    laneTimes.deallocate()
  }

  /// The place of a register.
  @inline(__always)
  func lanes<T>(_ offset: Int32, _ type: T.Type = T.self) -> UnsafeMutablePointer<T> {
    (registers + Int(offset)).assumingMemoryBound(to: T.self)
  }
}

/// A view of an allocation without reference counts.
struct AllocationView {
  var base: UInt64
  var size: UInt64
  var bytes: UnsafeMutablePointer<UInt8>
  var written: UnsafeMutablePointer<UInt8>
  var isWritten: Bool
  var isConstant: Bool
  var writers: UnsafeMutablePointer<UInt64>
  var readers: UnsafeMutablePointer<UInt64>
}

/// One block of threads after the other.
///
/// A warp's threads run in groups that are at the same instruction; the group with the lowest address goes first, so
/// that threads that part meet again where their ways join. Threads that need each other (shuffles, votes, barriers)
/// wait until all have come; if none can go on, that is an error. Warps take turns at barriers only: a kernel that is
/// right gives the same result in any order, and one that is not is caught by the order that its barriers fail to set.
final class BlockRun {
  let kernel: Kernel
  let program: UnsafeMutablePointer<Instruction>
  let parameters: [UInt8]
  let grid: Dimensions
  let block: Dimensions
  let sharedBytes: Int
  let isDetailed: Bool
  let views: UnsafeMutablePointer<AllocationView>
  let viewCount: Int
  /// The view that an instruction last found.
  let hints: UnsafeMutablePointer<Int>
  let shared: UnsafeMutablePointer<UInt8>
  let sharedWriters: UnsafeMutablePointer<UInt64>
  let sharedReaders: UnsafeMutablePointer<UInt64>
  let sharedShift: Int
  let globalShift: Int
  var warps: [Warp] = []
  var time: UInt64
  var order = Order()
  var statistics = LaunchStatistics()
  let instructionLimit: Int
  private var ctaid = (x: UInt32(0), y: UInt32(0), z: UInt32(0))

  init(
    _ kernel: Kernel, memory: DeviceMemory, parameters: [UInt8], grid: Dimensions, block: Dimensions,
    dynamicSharedBytes: Int, time: UInt64, isDetailed: Bool, instructionLimit: Int
  ) {
    self.kernel = kernel
    self.parameters = parameters
    self.grid = grid
    self.block = block
    self.time = time
    self.isDetailed = isDetailed
    self.instructionLimit = instructionLimit
    sharedBytes = kernel.sharedBytes + dynamicSharedBytes
    program = .allocate(capacity: kernel.instructions.count)
    program.initialize(from: kernel.instructions, count: kernel.instructions.count)
    hints = .allocate(capacity: kernel.instructions.count)
    hints.initialize(repeating: 0, count: kernel.instructions.count)
    sharedShift = kernel.sharedGranule.trailingZeroBitCount
    globalShift = kernel.globalGranule.trailingZeroBitCount
    viewCount = memory.allocations.count
    views = .allocate(capacity: max(viewCount, 1))
    for (index, allocation) in memory.allocations.enumerated() {
      allocation.record(granule: kernel.globalGranule)
      guard let writers = allocation.writers, let readers = allocation.readers else { continue }
      (views + index).initialize(
        to: AllocationView(
          base: allocation.base, size: UInt64(allocation.size), bytes: allocation.bytes,
          written: allocation.written,
          isWritten: allocation.isWritten, isConstant: allocation.isConstant, writers: writers,
          readers: readers))
    }
    shared = .allocate(capacity: max(sharedBytes, 1))
    let granules = sharedBytes >> sharedShift + 1
    sharedWriters = .allocate(capacity: granules)
    sharedReaders = .allocate(capacity: granules)
    sharedWriters.initialize(repeating: 0, count: granules)
    sharedReaders.initialize(repeating: 0, count: granules)
    order.launch = time
    for index in 0..<(block.count + 31) / 32 {
      warps.append(Warp(index: index, registerBytes: kernel.registerBytes, localBytes: kernel.localBytes))
    }
  }

  deinit {
    program.deallocate()
    hints.deallocate()
    views.deallocate()
    shared.deallocate()
    sharedWriters.deallocate()
    sharedReaders.deallocate()
  }

  /// Runs block (x, y, z) from its first to its last instruction.
  func run(_ x: Int, _ y: Int, _ z: Int) throws(PTXError) {
    ctaid = (UInt32(x), UInt32(y), UInt32(z))
    time += 1
    order.block = time
    order.barrier = time
    shared.update(repeating: 0xff, count: sharedBytes)
    for warp in warps { start(warp) }
    statistics.blocks += 1

    while true {
      for warp in warps where !warp.isAtBarrier && warp.live != 0 { try run(warp) }
      let waiting = warps.filter(\.isAtBarrier)
      if waiting.isEmpty { return }
      // Every warp has now ended or waits.
      if let ended = warps.first(where: { $0.live != $0.all(block.count) }) {
        let missing = (ended.all(block.count) & ~ended.live).trailingZeroBitCount + ended.index * 32
        throw error(
          .synchronisation, "threads wait at a barrier of the block, but thread \(missing) has ended",
          waiting[0].groups[0].pc)
      }
      time += 1
      order.barrier = time
      for warp in waiting {
        warp.isAtBarrier = false
        warp.groups[0].pc += 1
      }
    }
  }

  private func start(_ warp: Warp) {
    // A pattern that is a NaN in every format, and no address; predicates alternate.
    memsetPattern(warp.registers, kernel.registerBytes)
    for constant in kernel.constants {
      switch constant.bytes {
      case 0: warp.lanes(Int32(constant.offset), UInt32.self)[0] = constant.value != 0 ? .max : 0
      case 2:
        warp.lanes(Int32(constant.offset), UInt16.self).update(
          repeating: UInt16(truncatingIfNeeded: constant.value), count: 32)
      case 4:
        warp.lanes(Int32(constant.offset), UInt32.self).update(
          repeating: UInt32(truncatingIfNeeded: constant.value), count: 32)
      default: warp.lanes(Int32(constant.offset), UInt64.self).update(repeating: constant.value, count: 32)
      }
    }
    for special in kernel.specials {
      let lanes = warp.lanes(Int32(special.offset), UInt32.self)
      for lane in 0..<32 { lanes[lane] = value(of: special.name, warp, lane) }
    }
    warp.local.update(repeating: 0xff, count: kernel.localBytes * 32)
    warp.live = warp.all(block.count)
    warp.groups = [Group(pc: 0, mask: warp.live)]
    warp.isAtBarrier = false
    warp.barrierTime = time
    warp.hasLaneTimes = false
    warp.copies.removeAll(keepingCapacity: true)
    warp.committed = SIMD32(repeating: 0)
  }

  private func memsetPattern(_ memory: UnsafeMutableRawPointer, _ bytes: Int) {
    memory.assumingMemoryBound(to: UInt32.self).update(repeating: 0xffff_aaaa, count: bytes / 4)
  }

  private func value(of name: String, _ warp: Warp, _ lane: Int) -> UInt32 {
    let thread = warp.index * 32 + lane
    let bit: UInt32 = 1 << UInt32(lane)
    return switch name {
    case "%tid.x": UInt32(thread % block.x)
    case "%tid.y": UInt32(thread / block.x % block.y)
    case "%tid.z": UInt32(thread / block.x / block.y)
    case "%ntid.x": UInt32(block.x)
    case "%ntid.y": UInt32(block.y)
    case "%ntid.z": UInt32(block.z)
    case "%ctaid.x": ctaid.x
    case "%ctaid.y": ctaid.y
    case "%ctaid.z": ctaid.z
    case "%nctaid.x": UInt32(grid.x)
    case "%nctaid.y": UInt32(grid.y)
    case "%nctaid.z": UInt32(grid.z)
    case "%laneid": UInt32(lane)
    case "%warpid": UInt32(warp.index)
    case "%lanemask_eq": bit
    case "%lanemask_lt": bit - 1
    case "%lanemask_le": bit - 1 | bit
    case "%lanemask_gt": ~(bit - 1 | bit)
    case "%lanemask_ge": ~(bit - 1)
    default: preconditionFailure("every special register of Special.names has a value")
    }
  }

  // MARK: - Warps

  /// Runs a warp until it ends or waits at a barrier of the block.
  private func run(_ warp: Warp) throws(PTXError) {
    while !warp.groups.isEmpty && !warp.isAtBarrier {
      // The group furthest behind that can go on.
      var chosen = -1
      for index in warp.groups.indices where !warp.groups[index].waits {
        if chosen < 0 || warp.groups[index].pc < warp.groups[chosen].pc { chosen = index }
      }
      guard chosen >= 0 else { throw stuck(warp) }
      let group = warp.groups.remove(at: chosen)
      var limit = Int.max
      for other in warp.groups where other.pc >= group.pc { limit = min(limit, other.pc) }
      try run(warp, group, until: limit)
    }
  }

  /// Runs a group until it parts, ends, waits, or reaches the address of another.
  private func run(_ warp: Warp, _ group: Group, until limit: Int) throws(PTXError) {
    var pc = group.pc
    var mask = group.mask
    let program = self.program
    var (warpInstructions, threadInstructions) = (0, 0)
    defer {
      statistics.warpInstructions += warpInstructions
      statistics.threadInstructions += threadInstructions
    }
    let budget = instructionLimit - statistics.warpInstructions
    while true {
      if pc == limit {
        join(warp, Group(pc: pc, mask: mask))
        return
      }
      let instruction = program + pc
      var active = mask
      if instruction.pointee.guardOffset >= 0 {
        let predicate = warp.lanes(instruction.pointee.guardOffset, UInt32.self)[0]
        active &= instruction.pointee.guardIsNegated ? ~predicate : predicate
      }
      warpInstructions += 1
      threadInstructions += active.nonzeroBitCount
      if warpInstructions > budget {
        throw error(.aborted, "the launch is not over after \(instructionLimit) instructions of warps", pc)
      }

      switch instruction.pointee.operation {
      case .branch:
        let target = instruction.pointee.immediate
        if active == mask {
          if target < pc, !warp.groups.isEmpty {
            // Others may be further behind now.
            join(warp, Group(pc: target, mask: mask))
            return
          }
          pc = target
        } else if active == 0 {
          pc += 1
        } else {
          join(warp, Group(pc: target, mask: active))
          join(warp, Group(pc: pc + 1, mask: mask & ~active))
          return
        }
        if pc > limit {
          join(warp, Group(pc: pc, mask: mask))
          return
        }
      case .exit:
        warp.live &= ~active
        // Those that waited for these threads need not any more.
        for index in warp.groups.indices { warp.groups[index].waits = false }
        mask &= ~active
        if mask == 0 { return }
        pc += 1
      case .trap:
        if active != 0 { throw error(.aborted, "the kernel ran a trap", pc) }
        pc += 1
      case .barrier:
        guard active == mask else {
          throw error(
            .synchronisation, "a barrier of the block under a predicate that threads of a warp differ in", pc)
        }
        guard mask == warp.live else {
          join(warp, Group(pc: pc, mask: mask, waits: true))
          return
        }
        statistics.barriers += 1
        warp.groups = [Group(pc: pc, mask: mask)]
        warp.isAtBarrier = true
        return
      case .warpBarrier, .shuffleUp, .shuffleDown, .shuffleXor, .shuffleIndex, .ballot, .voteAny, .voteAll:
        if active != 0 {
          guard try haveCome(warp, instruction, active, pc) else {
            guard active == mask else {
              throw error(.synchronisation, "threads named by a mask are kept away by a predicate", pc)
            }
            join(warp, Group(pc: pc, mask: mask, waits: true))
            return
          }
          var rest = active
          while rest != 0 {
            let together = alike(warp, instruction, rest)
            if instruction.pointee.operation == .warpBarrier {
              warpBarrier(warp, together)
            } else {
              try exchange(warp, instruction, together, pc)
            }
            rest &= ~together
          }
        }
        pc += 1
      case .load, .store, .atomic, .reduce, .copyAsync:
        if active != 0 { try access(warp, instruction, active, pc) }
        pc += 1
      case .commitCopies:
        for lane in 0..<32 where active & 1 << UInt32(lane) != 0 { warp.committed[lane] += 1 }
        pc += 1
      case .waitCopies:
        finishCopies(warp, active, pending: instruction.pointee.immediate)
        pc += 1
      case .loadParameter:
        try loadParameter(warp, instruction, active, pc)
        pc += 1
      case .fence:
        pc += 1
      default:
        if active != 0 { compute(warp, instruction, active) }
        pc += 1
      }
    }
  }

  /// Adds a group; if others are at its address they become one, and look again whether they must wait.
  private func join(_ warp: Warp, _ group: Group) {
    if let index = warp.groups.firstIndex(where: { $0.pc == group.pc }) {
      warp.groups[index].mask |= group.mask
      warp.groups[index].waits = false
    } else {
      warp.groups.append(group)
    }
  }

  private func stuck(_ warp: Warp) -> PTXError {
    let states = warp.groups.map { "threads \(hex($0.mask)) at line \(program[$0.pc].line)" }
    let group = warp.groups[0]
    return error(
      .synchronisation,
      "warp \(warp.index) is stuck: \(states.joined(separator: ", ")) wait for each other or for threads that ended",
      group.pc)
  }

  /// Of the threads in `rest`, those that name the same mask as the first.
  private func alike(_ warp: Warp, _ instruction: UnsafePointer<Instruction>, _ rest: UInt32) -> UInt32 {
    let masks = warp.lanes(instruction.pointee.vector.0, UInt32.self)
    let first = masks[rest.trailingZeroBitCount]
    var together: UInt32 = 0
    for lane in 0..<32 where rest & 1 << UInt32(lane) != 0 && masks[lane] == first {
      together |= 1 << UInt32(lane)
    }
    return together
  }

  /// Whether all threads that a shuffle, a vote or a barrier of the warp is for are there. Those that have ended are not
  /// waited for, except by a barrier (PTX ISA, shfl.sync and bar.warp.sync).
  private func haveCome(
    _ warp: Warp, _ instruction: UnsafePointer<Instruction>, _ active: UInt32, _ pc: Int
  ) throws(PTXError) -> Bool {
    let masks = warp.lanes(instruction.pointee.vector.0, UInt32.self)
    let expected = instruction.pointee.operation == .warpBarrier ? warp.all(block.count) : warp.live
    var rest = active
    while rest != 0 {
      let together = alike(warp, instruction, rest)
      let members = masks[rest.trailingZeroBitCount]
      guard together & ~members == 0 else {
        throw error(
          .synchronisation,
          "thread \((together & ~members).trailingZeroBitCount) is not in the mask it names", pc)
      }
      if members & expected & ~together != 0 { return false }
      rest &= ~together
    }
    return true
  }

  /// A barrier of some or all threads of a warp: orders their accesses.
  private func warpBarrier(_ warp: Warp, _ active: UInt32) {
    statistics.warpBarriers += 1
    time += 1
    if active == warp.all(block.count) {
      warp.barrierTime = time
      warp.hasLaneTimes = false
      return
    }
    if !warp.hasLaneTimes {
      warp.laneTimes.initialize(repeating: 0, count: 32 * 32)
      warp.hasLaneTimes = true
    }
    // All learn what any of them knew, and of each other all until now.
    var known = SIMD32<UInt64>(repeating: 0)
    for lane in 0..<32 where active & 1 << UInt32(lane) != 0 {
      for other in 0..<32 {
        known[other] = max(
          known[other], active & 1 << UInt32(other) != 0 ? time : warp.laneTimes[lane * 32 + other])
      }
    }
    for lane in 0..<32 where active & 1 << UInt32(lane) != 0 {
      for other in 0..<32 { warp.laneTimes[lane * 32 + other] = known[other] }
    }
  }

  func error(_ kind: PTXError.Kind, _ message: String, _ pc: Int) -> PTXError {
    PTXError(
      kind, "\(kernel.name), block (\(ctaid.x), \(ctaid.y), \(ctaid.z)): \(message)",
      line: Int(program[pc].line))
  }

  func hex(_ value: some BinaryInteger) -> String { "0x" + String(value, radix: 16) }
}

extension Warp {
  /// The lanes that have a thread in a block of `threads`.
  func all(_ threads: Int) -> UInt32 {
    let count = min(32, threads - index * 32)
    return count == 32 ? .max : 1 << UInt32(count) - 1
  }
}
