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

  /// The backend on it; one for all tests, as a process has one driver.
  static let backend = CUDABackend(library: library)
}
