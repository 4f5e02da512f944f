import PTXInterpreter
import Synchronization

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// Result codes of the driver, CUresult in cuda.h.
private enum Code: Int32 {
  case success = 0
  case invalidValue = 1
  case outOfMemory = 2
  case notInitialised = 3
  case invalidDevice = 101
  case invalidContext = 201
  case invalidPTX = 218
  case invalidHandle = 400
  case notFound = 500
  case illegalAddress = 700
  case launchFailed = 719
}

/// A CUDA driver whose only GPU is the PTX interpreter.
///
/// It exports the functions that the launcher looks for under their names in `cuda.h`, and checks what a driver would
/// check, or leave undefined: that it was initialised, that a context is current on the thread, that handles are its own
/// and alive, that arguments have the sizes of the kernel's parameters, that grid, block and shared memory are within
/// limits. A failed call leaves its reason for `cuGetErrorString`.
///
/// Something goes wrong if `STAND_IN_FAULT` says so: "flip 3", a bit of what the third copy to the host brings; "fault 3",
/// the third launch, after which no call works, as on a GPU; "hang 3", the third launch does not end.
private struct Driver: ~Copyable {
  var isInitialised = false
  var retained = 0
  /// Threads that made the context current.
  var threads: Set<UInt> = []
  var device = PTXDevice()
  var modules: [UInt: [String: Kernel]] = [:]
  var functions: [UInt: Kernel] = [:]
  var events: [UInt: Double?] = [:]
  var handle: UInt = 0x1000
  /// Why a thread's last call failed.
  var reasons: [UInt: String] = [:]
  /// What a thread's launches did since it last asked, and the threads that want passes over banks counted.
  var statistics: [UInt: LaunchStatistics] = [:]
  var detailed: Set<UInt> = []
  let fault = Fault(getenv("STAND_IN_FAULT").map { String(cString: $0) } ?? "")
  var isBroken = false
  var launches = 0
  var copiesToHost = 0

  mutating func newHandle() -> UInt {
    handle += 16
    return handle
  }
}

/// What is to go wrong, and at which copy or launch, from 1.
private struct Fault {
  var kind: String
  var number: Int

  init?(_ text: String) {
    let words = text.split(separator: " ")
    guard words.count == 2, let number = Int(words[1]) else { return nil }
    (kind, self.number) = (String(words[0]), number)
  }

  func comes(_ kind: String, _ number: Int) -> Bool { self.kind == kind && self.number == number }
}

private let shared = Mutex(Driver())

private func thisThread() -> UInt {
  #if canImport(Glibc)
    pthread_self()
  #else
    UInt(bitPattern: pthread_self())
  #endif
}

/// Runs a call with the driver; `needsContext` unless it is one of the first few.
private func call(
  needsContext: Bool = true, _ body: (inout Driver) throws(PTXError) -> Code
) -> Int32 {
  shared.withLock { driver in
    guard driver.isInitialised else { return Code.notInitialised.rawValue }
    guard !needsContext || driver.retained > 0 && driver.threads.contains(thisThread()) else {
      driver.reasons[thisThread()] = "no context is current on this thread"
      return Code.invalidContext.rawValue
    }
    guard !driver.isBroken else { return Code.illegalAddress.rawValue }
    do throws(PTXError) {
      driver.reasons[thisThread()] = ""
      return try body(&driver).rawValue
    } catch {
      driver.reasons[thisThread()] = error.description
      let code: Code =
        switch error.kind {
        case .unknown: .invalidPTX
        case .launch: .invalidValue
        case .memory: .illegalAddress
        case .race, .synchronisation, .aborted: .launchFailed
        }
      return code.rawValue
    }
  }
}

/// As in `cuda.h`.
@_cdecl("cuInit")
public func cuInit(_ flags: UInt32) -> Int32 {
  guard flags == 0 else { return Code.invalidValue.rawValue }
  shared.withLock { $0.isInitialised = true }
  return 0
}

/// As in `cuda.h`.
@_cdecl("cuDriverGetVersion")
public func cuDriverGetVersion(_ version: UnsafeMutablePointer<Int32>) -> Int32 {
  // The oldest driver that takes PTX ISA 7.8.
  version.pointee = 11080
  return 0
}

/// As in `cuda.h`.
@_cdecl("cuDeviceGetCount")
public func cuDeviceGetCount(_ count: UnsafeMutablePointer<Int32>) -> Int32 {
  call(needsContext: false) { _ in
    count.pointee = 1
    return .success
  }
}

/// As in `cuda.h`.
@_cdecl("cuDeviceGet")
public func cuDeviceGet(_ device: UnsafeMutablePointer<Int32>, _ index: Int32) -> Int32 {
  call(needsContext: false) { _ in
    device.pointee = 0
    return index == 0 ? .success : .invalidDevice
  }
}

/// As in `cuda.h`.
@_cdecl("cuDeviceGetName")
public func cuDeviceGetName(_ name: UnsafeMutablePointer<CChar>, _ size: Int32, _ device: Int32) -> Int32 {
  call(needsContext: false) { _ in
    let text = "stand-in (PTX interpreter, no GPU)".utf8CString
    guard device == 0, Int(size) >= text.count else { return .invalidValue }
    for (index, character) in text.enumerated() { name[index] = character }
    return .success
  }
}

/// As in `cuda.h`.
@_cdecl("cuDeviceGetAttribute")
public func cuDeviceGetAttribute(_ value: UnsafeMutablePointer<Int32>, _ attribute: Int32, _ device: Int32)
  -> Int32
{
  call(needsContext: false) { _ in
    guard device == 0 else { return .invalidDevice }
    // Compute capability 8.0, and few multiprocessors: enough for several splits of small parts.
    switch attribute {
    case 75: value.pointee = 8
    case 76: value.pointee = 0
    case 16: value.pointee = 4
    default: return .invalidValue
    }
    return .success
  }
}

/// Says how much a measurement should read, which an interpreter does slowly; not enforced.
private let memoryBytes = 16 << 20

/// As in `cuda.h`.
@_cdecl("cuDeviceTotalMem_v2")
public func cuDeviceTotalMem(_ bytes: UnsafeMutablePointer<Int>, _ device: Int32) -> Int32 {
  call(needsContext: false) { _ in
    guard device == 0 else { return .invalidDevice }
    bytes.pointee = memoryBytes
    return .success
  }
}

/// As in `cuda.h`.
@_cdecl("cuMemGetInfo_v2")
public func cuMemGetInfo(_ free: UnsafeMutablePointer<Int>, _ total: UnsafeMutablePointer<Int>) -> Int32 {
  call { _ in
    (free.pointee, total.pointee) = (memoryBytes, memoryBytes)
    return .success
  }
}

// MARK: - Contexts

private let context: UInt = 0xc0de

/// As in `cuda.h`.
@_cdecl("cuDevicePrimaryCtxRetain")
public func cuDevicePrimaryCtxRetain(_ result: UnsafeMutablePointer<OpaquePointer?>, _ device: Int32) -> Int32
{
  call(needsContext: false) { driver in
    guard device == 0 else { return .invalidDevice }
    driver.retained += 1
    result.pointee = OpaquePointer(bitPattern: context)
    return .success
  }
}

/// As in `cuda.h`.
@_cdecl("cuDevicePrimaryCtxRelease_v2")
public func cuDevicePrimaryCtxRelease(_ device: Int32) -> Int32 {
  call(needsContext: false) { driver in
    guard device == 0, driver.retained > 0 else { return .invalidContext }
    driver.retained -= 1
    return .success
  }
}

/// As in `cuda.h`.
@_cdecl("cuCtxSetCurrent")
public func cuCtxSetCurrent(_ handle: OpaquePointer?) -> Int32 {
  call(needsContext: false) { driver in
    guard UInt(bitPattern: handle) == context, driver.retained > 0 else { return .invalidContext }
    driver.threads.insert(thisThread())
    return .success
  }
}

/// As in `cuda.h`.
@_cdecl("cuCtxSynchronize")
public func cuCtxSynchronize() -> Int32 { call { _ in .success } }

// MARK: - Modules

/// As in `cuda.h`.
@_cdecl("cuModuleLoadDataEx")
public func cuModuleLoadDataEx(
  _ module: UnsafeMutablePointer<OpaquePointer?>, _ image: UnsafeRawPointer, _ count: UInt32,
  _ options: UnsafeMutablePointer<Int32>?, _ values: UnsafeMutablePointer<UnsafeMutableRawPointer?>?
) -> Int32 {
  call { driver throws(PTXError) in
    var log: (buffer: UnsafeMutableRawPointer, size: Int)?
    if let options, let values {
      guard (0..<Int(count)).allSatisfy({ [5, 6].contains(options[$0]) }) else { return .invalidValue }
      if count == 2, options[0] == 5, let buffer = values[0] { log = (buffer, Int(bitPattern: values[1])) }
    }
    do throws(PTXError) {
      let kernels = try driver.device.load(String(cString: image.assumingMemoryBound(to: CChar.self)))
      let handle = driver.newHandle()
      driver.modules[handle] = kernels
      module.pointee = OpaquePointer(bitPattern: handle)
    } catch {
      if let log {
        let text = Array(error.description.utf8.prefix(log.size - 1)) + [0]
        log.buffer.copyMemory(from: text, byteCount: text.count)
      }
      throw error
    }
    return .success
  }
}

/// As in `cuda.h`.
@_cdecl("cuModuleUnload")
public func cuModuleUnload(_ module: OpaquePointer?) -> Int32 {
  call { driver in
    driver.modules.removeValue(forKey: UInt(bitPattern: module)) == nil ? .invalidHandle : .success
  }
}

/// As in `cuda.h`.
@_cdecl("cuModuleGetFunction")
public func cuModuleGetFunction(
  _ function: UnsafeMutablePointer<OpaquePointer?>, _ module: OpaquePointer?, _ name: UnsafePointer<CChar>
) -> Int32 {
  call { driver in
    guard let kernels = driver.modules[UInt(bitPattern: module)] else { return .invalidHandle }
    guard let kernel = kernels[String(cString: name)] else {
      driver.reasons[thisThread()] = "no kernel \(String(cString: name))"
      return .notFound
    }
    let handle = driver.newHandle()
    driver.functions[handle] = kernel
    function.pointee = OpaquePointer(bitPattern: handle)
    return .success
  }
}

/// As in `cuda.h`.
@_cdecl("cuFuncGetParamInfo")
public func cuFuncGetParamInfo(
  _ function: OpaquePointer?, _ index: Int, _ offset: UnsafeMutablePointer<Int>,
  _ size: UnsafeMutablePointer<Int>?
) -> Int32 {
  call { driver in
    guard let kernel = driver.functions[UInt(bitPattern: function)] else { return .invalidHandle }
    guard kernel.parameters.indices.contains(index) else { return .invalidValue }
    offset.pointee = kernel.parameters[index].offset
    size?.pointee = kernel.parameters[index].bytes
    return .success
  }
}

// MARK: - Memory

/// As in `cuda.h`.
@_cdecl("cuMemAlloc_v2")
public func cuMemAlloc(_ address: UnsafeMutablePointer<UInt64>, _ bytes: Int) -> Int32 {
  call { driver in
    guard bytes > 0 else { return .invalidValue }
    address.pointee = driver.device.allocate(bytes)
    return .success
  }
}

/// As in `cuda.h`.
@_cdecl("cuMemFree_v2")
public func cuMemFree(_ address: UInt64) -> Int32 {
  call { driver in driver.device.free(address) ? .success : .invalidValue }
}

/// As in `cuda.h`.
@_cdecl("cuMemcpyHtoD_v2")
public func cuMemcpyHtoD(_ address: UInt64, _ source: UnsafeRawPointer, _ bytes: Int) -> Int32 {
  call { driver throws(PTXError) in
    try driver.device.write(UnsafeRawBufferPointer(start: source, count: bytes), to: address)
    return .success
  }
}

/// As in `cuda.h`.
@_cdecl("cuMemcpyDtoH_v2")
public func cuMemcpyDtoH(_ target: UnsafeMutableRawPointer, _ address: UInt64, _ bytes: Int) -> Int32 {
  call { driver throws(PTXError) in
    try driver.device.read(UnsafeMutableRawBufferPointer(start: target, count: bytes), from: address)
    driver.copiesToHost += 1
    if driver.fault?.comes("flip", driver.copiesToHost) == true, bytes >= 4 {
      target.assumingMemoryBound(to: UInt32.self).pointee ^= 1 << 30
    }
    return .success
  }
}

/// As in `cuda.h`.
@_cdecl("cuMemcpyDtoD_v2")
public func cuMemcpyDtoD(_ target: UInt64, _ source: UInt64, _ bytes: Int) -> Int32 {
  call { driver throws(PTXError) in
    let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes, alignment: 16)
    defer { copy.deallocate() }
    try driver.device.read(copy, from: source)
    try driver.device.write(UnsafeRawBufferPointer(copy), to: target)
    return .success
  }
}

// MARK: - Launches

/// As in `cuda.h`.
@_cdecl("cuLaunchKernel")
public func cuLaunchKernel(
  _ function: OpaquePointer?, _ gridX: UInt32, _ gridY: UInt32, _ gridZ: UInt32, _ blockX: UInt32,
  _ blockY: UInt32,
  _ blockZ: UInt32, _ sharedBytes: UInt32, _ stream: OpaquePointer?,
  _ parameters: UnsafeMutablePointer<UnsafeMutableRawPointer?>?,
  _ extra: UnsafeMutablePointer<UnsafeMutableRawPointer?>?
) -> Int32 {
  call { driver throws(PTXError) in
    guard let kernel = driver.functions[UInt(bitPattern: function)] else { return .invalidHandle }
    // Only a packed buffer says how much was passed; CU_LAUNCH_PARAM_BUFFER_POINTER is 1, _SIZE 2, _END 0.
    guard stream == nil, parameters == nil, let extra, Int(bitPattern: extra[0]) == 1,
      Int(bitPattern: extra[2]) == 2,
      extra[4] == nil, let size = extra[3]?.load(as: Int.self), let buffer = extra[1] ?? extra[3]
    else {
      driver.reasons[thisThread()] =
        "the stand-in takes arguments in one packed buffer and the default stream only"
      return .invalidValue
    }
    let bytes = Array(UnsafeRawBufferPointer(start: buffer, count: size))
    driver.launches += 1
    if driver.fault?.comes("hang", driver.launches) == true { while true { sleep(1000) } }
    if driver.fault?.comes("fault", driver.launches) == true {
      driver.isBroken = true
      return .illegalAddress
    }
    driver.statistics[thisThread(), default: LaunchStatistics()] += try driver.device.launch(
      kernel, grid: Dimensions(Int(gridX), Int(gridY), Int(gridZ)),
      block: Dimensions(Int(blockX), Int(blockY), Int(blockZ)), dynamicSharedBytes: Int(sharedBytes),
      parameters: bytes,
      isDetailed: driver.detailed.contains(thisThread()))
    return .success
  }
}

// MARK: - Events: the host's clock, since launches run while they are called

/// As in `cuda.h`.
@_cdecl("cuEventCreate")
public func cuEventCreate(_ event: UnsafeMutablePointer<OpaquePointer?>, _ flags: UInt32) -> Int32 {
  call { driver in
    let handle = driver.newHandle()
    driver.events.updateValue(nil, forKey: handle)
    event.pointee = OpaquePointer(bitPattern: handle)
    return .success
  }
}

/// As in `cuda.h`.
@_cdecl("cuEventRecord")
public func cuEventRecord(_ event: OpaquePointer?, _ stream: OpaquePointer?) -> Int32 {
  call { driver in
    guard stream == nil, driver.events[UInt(bitPattern: event)] != nil else { return .invalidHandle }
    var now = timespec()
    clock_gettime(CLOCK_MONOTONIC, &now)
    driver.events[UInt(bitPattern: event)] = Double(now.tv_sec) * 1000 + Double(now.tv_nsec) / 1_000_000
    return .success
  }
}

/// As in `cuda.h`.
@_cdecl("cuEventSynchronize")
public func cuEventSynchronize(_ event: OpaquePointer?) -> Int32 {
  call { driver in driver.events[UInt(bitPattern: event)] == nil ? .invalidHandle : .success }
}

/// As in `cuda.h`.
@_cdecl("cuEventElapsedTime")
public func cuEventElapsedTime(
  _ milliseconds: UnsafeMutablePointer<Float>, _ start: OpaquePointer?, _ end: OpaquePointer?
) -> Int32 {
  call { driver in
    guard let start = driver.events[UInt(bitPattern: start)], let end = driver.events[UInt(bitPattern: end)],
      let start,
      let end
    else { return .invalidHandle }
    milliseconds.pointee = Float(end - start)
    return .success
  }
}

/// As in `cuda.h`.
@_cdecl("cuEventDestroy_v2")
public func cuEventDestroy(_ event: OpaquePointer?) -> Int32 {
  call { driver in
    driver.events.removeValue(forKey: UInt(bitPattern: event)) == nil ? .invalidHandle : .success
  }
}

// MARK: - Errors

/// As in `cuda.h`.
@_cdecl("cuGetErrorName")
public func cuGetErrorName(_ code: Int32, _ name: UnsafeMutablePointer<UnsafePointer<CChar>?>) -> Int32 {
  guard let known = Code(rawValue: code) else { return Code.invalidValue.rawValue }
  name.pointee = UnsafePointer(strdup("\(known)"))
  return 0
}

/// As in `cuda.h`.
@_cdecl("cuGetErrorString")
public func cuGetErrorString(_ code: Int32, _ text: UnsafeMutablePointer<UnsafePointer<CChar>?>) -> Int32 {
  guard Code(rawValue: code) != nil else { return Code.invalidValue.rawValue }
  text.pointee = UnsafePointer(strdup(shared.withLock { $0.reasons[thisThread()] ?? "" }))
  return 0
}

// MARK: - Not of CUDA

/// What this thread's launches did since its last call: warp and thread instructions, shuffles, block and warp barriers, bytes and
/// sectors read from global memory, bytes written, passes over the banks of shared memory and those needed (if
/// `isDetailed` was set before). `isDetailed` is for the launches to come.
@_cdecl("standInStatistics")
public func standInStatistics(_ counts: UnsafeMutablePointer<Int>, _ isDetailed: Bool) {
  shared.withLock { driver in
    let all = driver.statistics.removeValue(forKey: thisThread()) ?? LaunchStatistics()
    let values = [
      all.warpInstructions, all.threadInstructions, all.shuffles, all.barriers, all.warpBarriers,
      all.globalBytesRead,
      all.globalSectorsRead, all.globalBytesWritten, all.sharedPasses, all.sharedPassesNeeded,
    ]
    for (index, value) in values.enumerated() { counts[index] = value }
    if isDetailed { driver.detailed.insert(thisThread()) } else { driver.detailed.remove(thisThread()) }
  }
}
