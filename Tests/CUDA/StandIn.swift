import Foundation
import ReferenceCUDA
import Testing

/// The stand-in driver, as the package builds it beside the tests.
enum StandIn {
  /// Where the library is.
  static let library: String = {
    #if os(macOS)
      let name = "libStandInDriver.dylib"
    #else
      let name = "libStandInDriver.so"
    #endif
    var folder = URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent()
    // On macOS the test bundle lies some folders deeper.
    for _ in 0..<4 {
      let candidate = folder.appendingPathComponent(name).path
      if FileManager.default.fileExists(atPath: candidate) { return candidate }
      folder.deleteLastPathComponent()
    }
    return name
  }()

  /// What the interpreter counted since the last call.
  struct Counts {
    var warpInstructions = 0
    var threadInstructions = 0
    var shuffles = 0
    var barriers = 0
    var warpBarriers = 0
    var bytesRead = 0
    var sectorsRead = 0
    var bytesWritten = 0
    var sharedPasses = 0
    var sharedPassesNeeded = 0
  }

  /// The counts so far, which start again; `isDetailed` counts passes over the banks of shared memory from here on.
  static func counts(isDetailed: Bool = false) throws -> Counts {
    let handle = try #require(dlopen(library, RTLD_NOW))
    let symbol = try #require(dlsym(handle, "standInStatistics"))
    let read = unsafeBitCast(symbol, to: (@convention(c) (UnsafeMutableRawPointer, Bool) -> Void).self)
    var counts = Counts()
    read(&counts, isDetailed)
    return counts
  }

  /// The backend on it; one for all tests, as a process has one driver.
  static let backend = CUDABackend(library: library)
}
