/// The size of a grid or of a block.
public struct Dimensions: Hashable, Sendable {
  /// The extents, at least 1 each.
  public var x: Int
  /// As `x`.
  public var y: Int
  /// As `x`.
  public var z: Int

  /// A size of one to three extents.
  public init(_ x: Int, _ y: Int = 1, _ z: Int = 1) {
    self.x = x
    self.y = y
    self.z = z
  }

  /// Blocks, or threads.
  public var count: Int { x * y * z }
}

/// A GPU made of an interpreter of PTX: global memory, modules, launches. Not for several threads at once.
public final class PTXDevice {
  private let memory = DeviceMemory()
  private var time: UInt64 = 1

  /// The most threads of a block. (This and the next three: CUDA C++ Programming Guide, technical specifications per
  /// compute capability; shared memory without asking for more.)
  public static let maxThreads = 1024
  /// The largest extents of a block.
  public static let maxBlock = Dimensions(1024, 1024, 64)
  /// The largest extents of a grid.
  public static let maxGrid = Dimensions(Int(Int32.max), 65535, 65535)
  /// The most shared memory of a block, in bytes.
  public static let maxSharedBytes = 48 << 10

  /// A device without memory or modules.
  public init() {}

  // MARK: - Memory

  /// The address of `bytes` bytes that hold nothing yet. At least 1.
  public func allocate(_ bytes: Int) -> UInt64 { memory.allocate(bytes).base }

  /// Whether `address` was what `allocate` returned; the memory is gone then.
  public func free(_ address: UInt64) -> Bool { memory.free(address) }

  /// Copies to the device.
  public func write(_ bytes: UnsafeRawBufferPointer, to address: UInt64) throws(PTXError) {
    let (allocation, offset) = try find(address, bytes.count)
    guard let source = bytes.baseAddress else { return }
    (allocation.bytes + offset).update(from: source.assumingMemoryBound(to: UInt8.self), count: bytes.count)
    (allocation.written + offset).update(repeating: 1, count: bytes.count)
    if bytes.count == allocation.size { allocation.isWritten = true }
  }

  /// Copies from the device; every byte must have been written.
  public func read(_ bytes: UnsafeMutableRawBufferPointer, from address: UInt64) throws(PTXError) {
    let (allocation, offset) = try find(address, bytes.count)
    if let hole = (offset..<offset + bytes.count).first(where: { allocation.written[$0] == 0 }) {
      throw PTXError(.memory, "byte \(hole - offset) of what is copied to the host was never written")
    }
    guard let target = bytes.baseAddress else { return }
    target.copyMemory(from: allocation.bytes + offset, byteCount: bytes.count)
  }

  private func find(_ address: UInt64, _ count: Int) throws(PTXError) -> (Allocation, Int) {
    guard let allocation = memory.find(address), Int(address - allocation.base) + count <= allocation.size
    else {
      throw PTXError(
        .memory, "\(count) bytes at 0x\(String(address, radix: 16)) are not within an allocation")
    }
    return (allocation, Int(address - allocation.base))
  }

  // MARK: - Modules and launches

  /// The kernels of a PTX text by name; its variables are placed in memory.
  public func load(_ ptx: String) throws(PTXError) -> [String: Kernel] {
    let memory = self.memory
    var parser = try Parser(ptx) { variable throws(PTXError) in
      let allocation = memory.allocate(max(variable.bytes.count, 1), isConstant: variable.isConstant)
      allocation.bytes.update(from: variable.bytes, count: variable.bytes.count)
      allocation.written.update(repeating: 1, count: variable.bytes.count)
      return allocation.base
    }
    var kernels: [String: Kernel] = [:]
    for kernel in try parser.kernels() { kernels[kernel.name] = kernel }
    return kernels
  }

  /// Runs a kernel. `parameters` are the bytes of all, each where `Kernel.parameters` says. `isDetailed` counts passes
  /// over the banks of shared memory as well. Throws if the launch does not fit the kernel or the kernel does wrong.
  @discardableResult
  public func launch(
    _ kernel: Kernel, grid: Dimensions, block: Dimensions, dynamicSharedBytes: Int = 0, parameters: [UInt8],
    isDetailed: Bool = false, instructionLimit: Int = 1 << 36
  ) throws(PTXError) -> LaunchStatistics {
    func refuse(_ message: String) -> PTXError { PTXError(.launch, "\(kernel.name): \(message)") }
    guard parameters.count == kernel.parameterBytes else {
      throw refuse("\(parameters.count) bytes of parameters, expected \(kernel.parameterBytes)")
    }
    for (extent, most) in [
      (grid.x, Self.maxGrid.x), (grid.y, Self.maxGrid.y), (grid.z, Self.maxGrid.z),
      (block.x, Self.maxBlock.x),
      (block.y, Self.maxBlock.y), (block.z, Self.maxBlock.z),
      (block.count, kernel.maxThreads ?? Self.maxThreads),
    ] where !(1...most).contains(extent) {
      throw refuse("grid \(grid) of blocks \(block): \(extent) is not in 1...\(most)")
    }
    guard (0...Self.maxSharedBytes).contains(kernel.sharedBytes + dynamicSharedBytes) else {
      throw refuse(
        "\(kernel.sharedBytes) + \(dynamicSharedBytes) bytes of shared memory, at most \(Self.maxSharedBytes)"
      )
    }
    let run = BlockRun(
      kernel, memory: memory, parameters: parameters, grid: grid, block: block,
      dynamicSharedBytes: dynamicSharedBytes, time: time, isDetailed: isDetailed,
      instructionLimit: instructionLimit)
    defer { time = run.time + 1 }
    for z in 0..<grid.z {
      for y in 0..<grid.y {
        for x in 0..<grid.x { try run.run(x, y, z) }
      }
    }
    return run.statistics
  }
}
