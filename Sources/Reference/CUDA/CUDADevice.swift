import CUDAKernels

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// The first GPU with our kernels loaded: memory, launches, times. Not for several threads at once.
package final class CUDADevice {
  package let driver: CUDADriver
  /// "NVIDIA A100-SXM4-40GB, sm_80, driver for CUDA 12.4".
  let description: String
  let name: String
  /// "12.4".
  let cuda: String
  let multiprocessors: Int
  /// Bytes of its memory.
  let memory: Int
  /// The compute capability's numbers, 9 and 0 for sm_90.
  let capability: (major: Int, minor: Int)
  let index: Int32
  private let context: CUDADriver.Handle?
  private var module: CUDADriver.Handle?
  private var functions: [String: Function] = [:]

  /// A kernel, and where its parameters lie if the driver tells.
  private struct Function {
    var handle: CUDADriver.Handle
    var parameters: [ParameterPlace]?
  }

  /// What the management library tells, if it is there.
  private(set) lazy var management: Management? = {
    var text = [CChar](repeating: 0, count: 32)
    guard driver.busID?(&text, Int32(text.count), index) == 0 else { return nil }
    return Management(busID: string(text))
  }()
  private let symbol: @Sendable (String) -> String

  /// The kernels are those of `ptx`, or the embedded ones; `symbol` gives a kernel's name in it.
  package init(
    _ driver: CUDADriver, ptx: String? = nil, symbol: @escaping @Sendable (String) -> String = { $0 }
  ) throws(CUDAError) {
    self.driver = driver
    self.symbol = symbol
    try driver.check(driver.initialise(0), "cuInit")
    var (count, version): (Int32, Int32) = (0, 0)
    try driver.check(driver.deviceCount(&count), "cuDeviceGetCount")
    guard count > 0 else { throw CUDAError("the CUDA driver sees no GPU") }
    try driver.check(driver.driverVersion(&version), "cuDriverGetVersion")
    var index: Int32 = 0
    try driver.check(driver.device(&index, 0), "cuDeviceGet")
    self.index = index

    var name = [CChar](repeating: 0, count: 256)
    try driver.check(driver.deviceName(&name, Int32(name.count), index), "cuDeviceGetName")
    func attribute(_ number: Int32) throws(CUDAError) -> Int {
      var value: Int32 = 0
      try driver.check(driver.deviceAttribute(&value, number, index), "cuDeviceGetAttribute(\(number))")
      return Int(value)
    }
    // CUdevice_attribute in cuda.h: 75 and 76 are the compute capability, 16 the number of multiprocessors.
    let (major, minor) = (try attribute(75), try attribute(76))
    capability = (major, minor)
    multiprocessors = try attribute(16)
    var memory = 0
    try driver.check(driver.totalMemory(&memory, index), "cuDeviceTotalMem")
    self.memory = memory
    self.name = string(name)
    cuda = "\(version / 1000).\(version % 1000 / 10)"
    description = "\(self.name), sm_\(major)\(minor), driver for CUDA \(cuda)"
    guard major >= 8 else { throw CUDAError("\(description): the kernels need sm_80 or newer (cp.async)") }

    var context: CUDADriver.Handle?
    try driver.check(driver.retainContext(&context, index), "cuDevicePrimaryCtxRetain")
    self.context = context
    try makeCurrent()
    try loadKernels(ptx)
  }

  deinit {
    _ = driver.setContext(context)
    _ = driver.unloadModule(module)
    _ = driver.releaseContext(index)
  }

  /// Contexts belong to threads: to be called on whichever thread works with the device next.
  func makeCurrent() throws(CUDAError) {
    try driver.check(driver.setContext(context), "cuCtxSetCurrent")
  }

  private func loadKernels(_ ptx: String?) throws(CUDAError) {
    // CUjit_option in cuda.h: 5 is the buffer for errors, 6 its size.
    var options: [Int32] = [5, 6]
    var log = [CChar](repeating: 0, count: 8192)
    let code = log.withUnsafeMutableBytes { buffer in
      var values: [UnsafeMutableRawPointer?] = [
        buffer.baseAddress, UnsafeMutableRawPointer(bitPattern: buffer.count),
      ]
      if let ptx { return driver.loadModule(&module, ptx, 2, &options, &values) }
      return driver.loadModule(&module, dist_attention_ptx(), 2, &options, &values)
    }
    let text = string(log)
    try driver.check(code, "cuModuleLoadDataEx of the kernels' PTX\(text.isEmpty ? "" : ": " + text)")
  }

  // MARK: - Memory

  /// Device memory that is freed with the object.
  package final class Buffer {
    let address: CUDADriver.Address
    let bytes: Int
    private let driver: CUDADriver

    fileprivate init(_ driver: CUDADriver, bytes: Int) throws(CUDAError) {
      var address: CUDADriver.Address = 0
      try driver.check(driver.allocate(&address, max(bytes, 1)), "cuMemAlloc of \(bytes) bytes")
      self.address = address
      self.bytes = bytes
      self.driver = driver
    }

    deinit { _ = driver.free(address) }
  }

  package func buffer(bytes: Int) throws(CUDAError) -> Buffer { try Buffer(driver, bytes: bytes) }

  /// A buffer with a copy of `values`.
  package func buffer<T: BitwiseCopyable>(_ values: [T]) throws(CUDAError) -> Buffer {
    let buffer = try self.buffer(bytes: values.count * MemoryLayout<T>.stride)
    let code = values.withUnsafeBytes { bytes in
      bytes.baseAddress.map { bytes.isEmpty ? 0 : driver.copyToDevice(buffer.address, $0, bytes.count) } ?? 0
    }
    try driver.check(code, "cuMemcpyHtoD")
    return buffer
  }

  /// Fills a buffer with copies of `bytes`, one after the other, the last cut off where the buffer ends.
  func fill(_ buffer: Buffer, repeating bytes: UnsafeRawBufferPointer) throws(CUDAError) {
    var filled = min(bytes.count, buffer.bytes)
    try copy(UnsafeRawBufferPointer(rebasing: bytes[..<filled]), to: buffer, at: 0)
    while filled < buffer.bytes {
      let count = min(filled, buffer.bytes - filled)
      try driver.check(
        driver.copyOnDevice(buffer.address + UInt64(filled), buffer.address, count), "cuMemcpyDtoD")
      filled += count
    }
  }

  /// Bytes that can still be allocated.
  func freeMemory() throws(CUDAError) -> Int {
    var (free, total) = (0, 0)
    try driver.check(driver.memoryInfo(&free, &total), "cuMemGetInfo")
    return free
  }

  package func copy(_ bytes: UnsafeRawBufferPointer, to buffer: Buffer, at offset: Int) throws(CUDAError) {
    precondition(offset + bytes.count <= buffer.bytes, "a copy fits its buffer")
    guard let base = bytes.baseAddress, !bytes.isEmpty else { return }
    try driver.check(driver.copyToDevice(buffer.address + UInt64(offset), base, bytes.count), "cuMemcpyHtoD")
  }

  /// `count` floats from the start of a buffer.
  package func floats(_ buffer: Buffer, count: Int) throws(CUDAError) -> [Float] {
    var values = [Float](repeating: .nan, count: count)
    let code = values.withUnsafeMutableBytes { bytes in
      bytes.baseAddress.map { driver.copyToHost($0, buffer.address, bytes.count) } ?? 0
    }
    try driver.check(code, "cuMemcpyDtoH")
    return values
  }

  // MARK: - Launches

  /// Queues a kernel. Throws if its parameters are not those given.
  package func launch(
    _ name: String, grid: (x: Int, y: Int, z: Int), threads: Int, _ arguments: KernelArguments
  ) throws(CUDAError) {
    let function = try self.function(name)
    if let parameters = function.parameters, parameters != arguments.layout {
      throw CUDAError("\(name) has the parameters \(parameters), not \(arguments.layout)")
    }
    var bytes = arguments.bytes
    var size = bytes.count
    let code = bytes.withUnsafeMutableBytes { buffer in
      withUnsafeMutablePointer(to: &size) { size in
        // CU_LAUNCH_PARAM_BUFFER_POINTER, _SIZE and _END in cuda.h.
        var extra: [UnsafeMutableRawPointer?] = [
          UnsafeMutableRawPointer(bitPattern: 1), buffer.baseAddress, UnsafeMutableRawPointer(bitPattern: 2),
          UnsafeMutableRawPointer(size), nil,
        ]
        return driver.launch(
          function.handle, UInt32(grid.x), UInt32(grid.y), UInt32(grid.z), UInt32(threads), 1, 1, 0, nil, nil,
          &extra
        )
      }
    }
    try driver.check(code, "cuLaunchKernel of \(name)")
  }

  package func synchronise() throws(CUDAError) {
    try driver.check(driver.synchronise(), "cuCtxSynchronize")
  }

  private func function(_ name: String) throws(CUDAError) -> Function {
    if let function = functions[name] { return function }
    var handle: CUDADriver.Handle?
    try driver.check(driver.function(&handle, module, symbol(name)), "cuModuleGetFunction of \(name)")
    guard let handle else { throw CUDAError("the driver gave no function for \(name)") }
    let function = Function(handle: handle, parameters: parameters(of: handle))
    functions[name] = function
    return function
  }

  /// Where the kernel's parameters lie, or nil if the driver is too old to tell. The last call fails: there is no more.
  private func parameters(of function: CUDADriver.Handle) -> [ParameterPlace]? {
    guard let parameterInfo = driver.parameterInfo else { return nil }
    var places: [ParameterPlace] = []
    var (offset, size) = (0, 0)
    while parameterInfo(function, places.count, &offset, &size) == 0 {
      places.append(ParameterPlace(offset: offset, size: size))
    }
    return places
  }

  // MARK: - Times

  /// Seconds that the device needs for what each of `steps` queues, by events between them.
  ///
  /// A step's time is the device's alone if the step before it is long enough for this one to be queued meanwhile.
  func seconds(_ steps: [() throws(CUDAError) -> Void]) throws(CUDAError) -> [Double] {
    var events: [CUDADriver.Handle?] = []
    defer { for event in events { _ = driver.destroyEvent(event) } }
    for _ in 0...steps.count {
      var event: CUDADriver.Handle?
      try driver.check(driver.createEvent(&event, 0), "cuEventCreate")
      events.append(event)
    }
    try driver.check(driver.recordEvent(events[0], nil), "cuEventRecord")
    for (step, event) in zip(steps, events.dropFirst()) {
      try step()
      try driver.check(driver.recordEvent(event, nil), "cuEventRecord")
    }
    try driver.check(driver.synchroniseEvent(events[steps.count]), "cuEventSynchronize")
    var seconds: [Double] = []
    for (begin, end) in zip(events, events.dropFirst()) {
      var milliseconds: Float = 0
      try driver.check(driver.elapsed(&milliseconds, begin, end), "cuEventElapsedTime")
      seconds.append(Double(milliseconds) / 1000)
    }
    return seconds
  }
}

/// Where a kernel's parameter lies among all its parameters, in bytes.
struct ParameterPlace: Hashable, CustomStringConvertible {
  var offset: Int
  var size: Int

  var description: String { "\(size) at \(offset)" }
}

/// A kernel's arguments, laid out as C lays out its parameters.
package struct KernelArguments {
  private(set) var bytes: [UInt8] = []
  private(set) var layout: [ParameterPlace] = []

  package init() {}

  package mutating func append<T: BitwiseCopyable>(_ value: T) {
    let alignment = MemoryLayout<T>.alignment
    bytes += Array(repeating: 0, count: (alignment - bytes.count % alignment) % alignment)
    layout.append(ParameterPlace(offset: bytes.count, size: MemoryLayout<T>.size))
    withUnsafeBytes(of: value) { bytes += $0 }
  }

  /// A buffer's address; 0 for none.
  package mutating func append(_ buffer: CUDADevice.Buffer?) { append(buffer?.address ?? 0) }
}
