#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// What the CUDA driver does not tell of a device, from NVIDIA's management library (`libnvidia-ml.so.1`, functions as in
/// `nvml.h`), which comes with the driver. Only read from; nil and nothing worse where it is missing.
struct Management: @unchecked Sendable {
  private typealias Device = OpaquePointer

  /// "580.159.04".
  let driverVersion: String?
  private let device: Device
  private let clockInfo: @convention(c) (Device?, Int32, UnsafeMutablePointer<UInt32>) -> Int32
  private let maxClockInfo: @convention(c) (Device?, Int32, UnsafeMutablePointer<UInt32>) -> Int32

  /// The device at `busID`, as the CUDA driver names it: the two libraries number devices differently.
  init?(busID: String) {
    guard let handle = dlopen("libnvidia-ml.so.1", RTLD_NOW | RTLD_LOCAL) else { return nil }
    func find<F>(_ name: String, _: F.Type = F.self) -> F? {
      dlsym(handle, name).map { unsafeBitCast($0, to: F.self) }
    }
    typealias Initialise = @convention(c) () -> Int32
    typealias Version = @convention(c) (UnsafeMutablePointer<CChar>, UInt32) -> Int32
    typealias ByBusID = @convention(c) (UnsafePointer<CChar>, UnsafeMutablePointer<OpaquePointer?>) -> Int32
    guard let initialise = find("nvmlInit_v2", Initialise.self), initialise() == 0,
      let byBusID = find("nvmlDeviceGetHandleByPciBusId_v2", ByBusID.self),
      let clockInfo = find("nvmlDeviceGetClockInfo", type(of: self.clockInfo)),
      let maxClockInfo = find("nvmlDeviceGetMaxClockInfo", type(of: self.maxClockInfo))
    else { return nil }
    var device: OpaquePointer?
    guard byBusID(busID, &device) == 0, let device else { return nil }
    self.device = device
    self.clockInfo = clockInfo
    self.maxClockInfo = maxClockInfo
    var text = [CChar](repeating: 0, count: 96)
    let version = find("nvmlSystemGetDriverVersion", Version.self)
    driverVersion = version?(&text, UInt32(text.count)) == 0 ? string(text) : nil
  }

  // nvmlClockType_t in nvml.h: 1 is the multiprocessors' clock, 2 the memory's.

  /// MHz, now.
  var multiprocessorClock: Int? { read(clockInfo, 1) }
  /// MHz, now.
  var memoryClock: Int? { read(clockInfo, 2) }
  /// MHz, at most.
  var maxMultiprocessorClock: Int? { read(maxClockInfo, 1) }
  /// MHz, at most.
  var maxMemoryClock: Int? { read(maxClockInfo, 2) }

  private func read(
    _ function: @convention(c) (Device?, Int32, UnsafeMutablePointer<UInt32>) -> Int32, _ clock: Int32
  ) -> Int? {
    var value: UInt32 = 0
    return function(device, clock, &value) == 0 ? Int(value) : nil
  }
}

/// What a C function wrote up to the 0.
func string(_ characters: [CChar]) -> String {
  String(decoding: characters.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
}
