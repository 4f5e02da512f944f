#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// Why CUDA cannot be used, or what failed.
public struct CUDAError: Error, Hashable, CustomStringConvertible {
  /// The reason, in one sentence.
  public let description: String

  init(_ description: String) { self.description = description }
}

/// NVIDIA's driver, found at run time: the functions of its library that we call, by their names in `cuda.h`.
///
/// Nothing of CUDA is needed to build. The library is `libcuda.so.1`, or the file that `INFINITE_SIM_LIBCUDA` names.
package struct CUDADriver: @unchecked Sendable {
  package typealias Handle = OpaquePointer
  package typealias Address = UInt64

  let initialise: @convention(c) (UInt32) -> Int32
  let driverVersion: @convention(c) (UnsafeMutablePointer<Int32>) -> Int32
  let deviceCount: @convention(c) (UnsafeMutablePointer<Int32>) -> Int32
  package let device: @convention(c) (UnsafeMutablePointer<Int32>, Int32) -> Int32
  let deviceName: @convention(c) (UnsafeMutablePointer<CChar>, Int32, Int32) -> Int32
  package let deviceAttribute: @convention(c) (UnsafeMutablePointer<Int32>, Int32, Int32) -> Int32
  let totalMemory: @convention(c) (UnsafeMutablePointer<Int>, Int32) -> Int32
  let memoryInfo: @convention(c) (UnsafeMutablePointer<Int>, UnsafeMutablePointer<Int>) -> Int32
  let retainContext: @convention(c) (UnsafeMutablePointer<Handle?>, Int32) -> Int32
  let releaseContext: @convention(c) (Int32) -> Int32
  let setContext: @convention(c) (Handle?) -> Int32
  let loadModule:
    @convention(c) (
      UnsafeMutablePointer<Handle?>, UnsafeRawPointer, UInt32, UnsafeMutablePointer<Int32>?,
      UnsafeMutablePointer<UnsafeMutableRawPointer?>?
    ) -> Int32
  let unloadModule: @convention(c) (Handle?) -> Int32
  package let function: @convention(c) (UnsafeMutablePointer<Handle?>, Handle?, UnsafePointer<CChar>) -> Int32
  let allocate: @convention(c) (UnsafeMutablePointer<Address>, Int) -> Int32
  package let free: @convention(c) (Address) -> Int32
  package let copyToDevice: @convention(c) (Address, UnsafeRawPointer, Int) -> Int32
  let copyToHost: @convention(c) (UnsafeMutableRawPointer, Address, Int) -> Int32
  let copyOnDevice: @convention(c) (Address, Address, Int) -> Int32
  package let launch:
    @convention(c) (
      Handle?, UInt32, UInt32, UInt32, UInt32, UInt32, UInt32, UInt32, Handle?,
      UnsafeMutablePointer<UnsafeMutableRawPointer?>?, UnsafeMutablePointer<UnsafeMutableRawPointer?>?
    ) -> Int32
  let synchronise: @convention(c) () -> Int32
  let createEvent: @convention(c) (UnsafeMutablePointer<Handle?>, UInt32) -> Int32
  package let recordEvent: @convention(c) (Handle?, Handle?) -> Int32
  let synchroniseEvent: @convention(c) (Handle?) -> Int32
  let elapsed: @convention(c) (UnsafeMutablePointer<Float>, Handle?, Handle?) -> Int32
  let destroyEvent: @convention(c) (Handle?) -> Int32
  let errorName: @convention(c) (Int32, UnsafeMutablePointer<UnsafePointer<CChar>?>) -> Int32
  let errorString: @convention(c) (Int32, UnsafeMutablePointer<UnsafePointer<CChar>?>) -> Int32
  /// Since CUDA 12.4: the offset and size of a kernel's parameter. Nil in an older driver.
  let parameterInfo:
    (@convention(c) (Handle?, Int, UnsafeMutablePointer<Int>, UnsafeMutablePointer<Int>?) -> Int32)?

  /// "0000:1b:00.0", by which other libraries of the driver know the device. Nil in the stand-in.
  let busID: (@convention(c) (UnsafeMutablePointer<CChar>, Int32, Int32) -> Int32)?
  /// Whether it is `Tests/StandInDriver`, whose times say nothing of a GPU.
  let isStandIn: Bool

  /// The library's name where nothing else is said.
  static let defaultLibrary = "libcuda.so.1"

  /// Opens the library; throws what is missing. Never closed: a driver does not survive it.
  package init(library: String) throws(CUDAError) {
    guard let handle = dlopen(library, RTLD_NOW | RTLD_LOCAL) else {
      throw CUDAError(
        "no CUDA driver: \(String(cString: dlerror())) (install NVIDIA's driver, or name its library in "
          + "INFINITE_SIM_LIBCUDA)")
    }
    func find<F>(_ name: String, _: F.Type = F.self) throws(CUDAError) -> F {
      guard let symbol = dlsym(handle, name) else { throw CUDAError("\(library) has no function \(name)") }
      return unsafeBitCast(symbol, to: F.self)
    }
    initialise = try find("cuInit")
    driverVersion = try find("cuDriverGetVersion")
    deviceCount = try find("cuDeviceGetCount")
    device = try find("cuDeviceGet")
    deviceName = try find("cuDeviceGetName")
    deviceAttribute = try find("cuDeviceGetAttribute")
    totalMemory = try find("cuDeviceTotalMem_v2")
    memoryInfo = try find("cuMemGetInfo_v2")
    retainContext = try find("cuDevicePrimaryCtxRetain")
    releaseContext = try find("cuDevicePrimaryCtxRelease_v2")
    setContext = try find("cuCtxSetCurrent")
    loadModule = try find("cuModuleLoadDataEx")
    unloadModule = try find("cuModuleUnload")
    function = try find("cuModuleGetFunction")
    allocate = try find("cuMemAlloc_v2")
    free = try find("cuMemFree_v2")
    copyToDevice = try find("cuMemcpyHtoD_v2")
    copyToHost = try find("cuMemcpyDtoH_v2")
    copyOnDevice = try find("cuMemcpyDtoD_v2")
    launch = try find("cuLaunchKernel")
    synchronise = try find("cuCtxSynchronize")
    createEvent = try find("cuEventCreate")
    recordEvent = try find("cuEventRecord")
    synchroniseEvent = try find("cuEventSynchronize")
    elapsed = try find("cuEventElapsedTime")
    destroyEvent = try find("cuEventDestroy_v2")
    errorName = try find("cuGetErrorName")
    errorString = try find("cuGetErrorString")
    parameterInfo = try? find("cuFuncGetParamInfo")
    busID = try? find("cuDeviceGetPCIBusId")
    isStandIn = dlsym(handle, "standInStatistics") != nil
  }

  /// Throws what `call` returned unless it is success.
  func check(_ code: Int32, _ call: String) throws(CUDAError) {
    guard code != 0 else { return }
    var (name, text): (UnsafePointer<CChar>?, UnsafePointer<CChar>?)
    _ = errorName(code, &name)
    _ = errorString(code, &text)
    let words = [name, text].compactMap { $0.map { String(cString: $0) } }.joined(separator: ": ")
    throw CUDAError("\(call) failed with \(code)\(words.isEmpty ? "" : " (\(words))")")
  }
}
