import Foundation

/// The built program, run as a user would.
enum Program {
  struct Outcome {
    var status: Int32
    var output: String
    var errors: String
  }

  /// Beside the test bundle, where SwiftPM puts the products of a package.
  static var path: String {
    #if os(macOS)
      let bundle = Bundle.allBundles.first { $0.bundlePath.hasSuffix(".xctest") }?.bundleURL
      let folder = bundle?.deletingLastPathComponent() ?? Bundle.main.bundleURL
    #else
      let folder = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
        .deletingLastPathComponent()
    #endif
    return folder.appendingPathComponent("infinite-sim").path
  }

  /// Runs the program, or `executable`, with `arguments` in `folder` and waits for its end; stdout goes to `output` if given.
  /// `environment` is added to this process's.
  static func run(
    _ arguments: [String], in folder: String? = nil, output: String? = nil, executable: String = path,
    environment: [String: String] = [:]
  ) throws -> Outcome {
    let files = (0..<2).map { _ in
      FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString).path
    }
    for file in files { try Data().write(to: URL(fileURLWithPath: file)) }
    defer { for file in files { try? FileManager.default.removeItem(atPath: file) } }
    let process = Process()
    process.executableURL = URL(fileURLWithPath: executable)
    process.arguments = arguments
    process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
    if let folder { process.currentDirectoryURL = URL(fileURLWithPath: folder) }
    // Files, not pipes: nobody need read while the program runs.
    process.standardOutput = try FileHandle(forWritingTo: URL(fileURLWithPath: output ?? files[0]))
    process.standardError = try FileHandle(forWritingTo: URL(fileURLWithPath: files[1]))
    try process.run()
    process.waitUntilExit()
    return Outcome(
      status: process.terminationStatus,
      output: try String(contentsOfFile: files[0], encoding: .utf8),
      errors: try String(contentsOfFile: files[1], encoding: .utf8))
  }
}
