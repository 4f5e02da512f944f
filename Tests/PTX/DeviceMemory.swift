#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// Where shared and local memory appear among generic addresses.
enum Window {
  static let shared: UInt64 = 1 << 56
  static let local: UInt64 = 2 << 56
  static let size: UInt64 = 1 << 32
}

/// One allocation of global memory, with what is known of each byte.
final class Allocation {
  let base: UInt64
  let size: Int
  let isConstant: Bool
  let bytes: UnsafeMutablePointer<UInt8>
  /// 1 for each byte that was ever written.
  let written: UnsafeMutablePointer<UInt8>
  /// Whether all are: spares the look at each.
  var isWritten: Bool
  /// Who last wrote and read each granule; made when a kernel first does. See `RaceCheck`.
  private(set) var writers: UnsafeMutablePointer<UInt64>?
  private(set) var readers: UnsafeMutablePointer<UInt64>?
  private var granule = 1

  init(base: UInt64, size: Int, isConstant: Bool) {
    self.base = base
    self.size = size
    self.isConstant = isConstant
    bytes = Self.zeroed(size)
    written = Self.zeroed(size)
    isWritten = false
    // A pattern that is a NaN in every format.
    memset(bytes, 0xff, size)
  }

  deinit {
    free(bytes)
    free(written)
    free(writers)
    free(readers)
  }

  /// Makes the records of accesses, one per `granule` bytes, forgetting those of another size.
  func record(granule: Int) {
    if granule != self.granule || writers == nil {
      free(writers)
      free(readers)
      self.granule = granule
      writers = Self.zeroed(size / granule + 1)
      readers = Self.zeroed(size / granule + 1)
    }
  }

  private static func zeroed<T>(_ count: Int) -> UnsafeMutablePointer<T> {
    guard let memory = calloc(max(count, 1), MemoryLayout<T>.stride) else {
      fatalError("the host has memory for what the device allocates")
    }
    return memory.assumingMemoryBound(to: T.self)
  }
}

/// Global memory: allocations far enough apart that running past one never reaches another.
final class DeviceMemory {
  private(set) var allocations: [Allocation] = []
  private var next: UInt64 = 0x7000_0000_0000
  private static let gap: UInt64 = 1 << 16

  /// Memory of `size` bytes, not written yet, aligned to 256 bytes.
  func allocate(_ size: Int, isConstant: Bool = false) -> Allocation {
    let allocation = Allocation(base: next, size: size, isConstant: isConstant)
    allocations.append(allocation)
    next += (UInt64(size) + 2 * Self.gap - 1) / Self.gap * Self.gap
    return allocation
  }

  /// Whether there was an allocation at `base`, which is gone now.
  func free(_ base: UInt64) -> Bool {
    guard let index = allocations.firstIndex(where: { $0.base == base }) else { return false }
    allocations.remove(at: index)
    return true
  }

  /// The allocation that `address` lies in.
  func find(_ address: UInt64) -> Allocation? {
    var (low, high) = (0, allocations.count)
    while low < high {
      let middle = (low + high) / 2
      if allocations[middle].base <= address { low = middle + 1 } else { high = middle }
    }
    guard low > 0 else { return nil }
    let candidate = allocations[low - 1]
    return address - candidate.base < UInt64(candidate.size) ? candidate : nil
  }
}
