import Foundation

/// The program itself.
package enum ThisProgram {
  /// Its version: part of every manifest.
  package static let version = "0.1.0"

  /// Where its file is.
  package static func location() throws(CommandFailure) -> URL {
    #if os(Linux)
      return URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
    #else
      guard let url = Bundle.main.executableURL else {
        throw CommandFailure(.runFailed, "this program does not know its own path")
      }
      return url
    #endif
  }
}
