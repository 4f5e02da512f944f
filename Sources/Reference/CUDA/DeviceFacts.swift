/// What a device and its driver say of themselves; nil where they do not.
public struct DeviceFacts: Hashable, Sendable, Codable {
  public var name: String
  /// "9.0".
  public var computeCapability: String
  /// The newest CUDA that the driver knows: "13.0".
  public var cuda: String
  /// "580.159.04".
  public var driver: String?
  /// Whether it is an interpreter on the CPU (`Tests/StandInDriver`), whose times say nothing of a GPU.
  public var isStandIn: Bool
  public var multiprocessors: Int
  /// Bytes.
  public var memory: Int
  /// Bytes that nobody used.
  public var freeMemory: Int
  /// Bytes.
  public var l2: Int?
  /// Bits.
  public var memoryBus: Int?
  /// Whether memory errors are corrected.
  public var ecc: Bool?
  /// Of the multiprocessors, at most, MHz.
  public var clock: Int?
  /// At most, MHz.
  public var memoryClock: Int?
}

extension CUDADevice {
  func facts() throws(CUDAError) -> DeviceFacts {
    // CUdevice_attribute in cuda.h: 13 and 36 are the clocks in kHz, 32 ECC, 37 the width of the bus, 38 the L2.
    DeviceFacts(
      name: name, computeCapability: "\(capability.major).\(capability.minor)", cuda: cuda,
      driver: management?.driverVersion, isStandIn: driver.isStandIn, multiprocessors: multiprocessors,
      memory: memory, freeMemory: try freeMemory(), l2: attribute(38), memoryBus: attribute(37),
      ecc: attribute(32).map { $0 != 0 },
      clock: management?.maxMultiprocessorClock ?? attribute(13).map { $0 / 1000 },
      memoryClock: management?.maxMemoryClock ?? attribute(36).map { $0 / 1000 })
  }

  /// An attribute that not every driver tells.
  private func attribute(_ number: Int32) -> Int? {
    var value: Int32 = 0
    return driver.deviceAttribute(&value, number, index) == 0 ? Int(value) : nil
  }
}
