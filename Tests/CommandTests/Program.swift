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

  /// Runs the program as `run` does, and says how many bytes of memory it held at most. A process of its own: what other
  /// tests hold does not count.
  static func peakMemory(_ arguments: [String], in folder: String) throws -> (outcome: Outcome, bytes: Int) {
    let files = ["output", "errors"].map { "\(folder)/\(UUID().uuidString).\($0)" }
    var actions = Self.noFileActions
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    for (descriptor, file) in zip([1, 2] as [Int32], files) {
      posix_spawn_file_actions_addopen(&actions, descriptor, file, O_WRONLY | O_CREAT, 0o600)
    }
    var words = ([path] + arguments).map { strdup($0) } + [nil]
    defer { for word in words { free(word) } }
    var child: pid_t = 0
    let failure = posix_spawn(&child, path, &actions, nil, &words, environ)
    guard failure == 0 else { throw POSIXError(POSIXErrorCode(rawValue: failure) ?? .EIO) }
    var status: Int32 = 0
    var usage = rusage()
    while wait4(child, &status, 0, &usage) < 0 {
      guard errno == EINTR else { throw POSIXError(POSIXErrorCode(rawValue: errno) ?? .EIO) }
    }
    #if os(macOS)
      let bytes = usage.ru_maxrss
    #else
      let bytes = usage.ru_maxrss * 1_024
    #endif
    let texts = try files.map { try String(contentsOfFile: $0, encoding: .utf8) }
    return (Outcome(status: (status >> 8) & 0xFF, output: texts[0], errors: texts[1]), bytes)
  }

  #if os(macOS)
    private static var noFileActions: posix_spawn_file_actions_t? { nil }
  #else
    private static var noFileActions: posix_spawn_file_actions_t { posix_spawn_file_actions_t() }
  #endif
}
