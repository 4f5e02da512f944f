import Foundation
import Output

/// NVIDIA's compute-sanitizer, which runs this program once more and looks at every access of its kernels.
struct MemoryChecker {
  /// Where it is.
  let path: String

  static let tools = ["memcheck", "racecheck", "initcheck"]

  /// Looks in PATH, then where CUDA's toolkit puts it; nil if it is nowhere.
  init?() {
    let environment = ProcessInfo.processInfo.environment
    let inPath = (environment["PATH"] ?? "").split(separator: ":").map(String.init)
    let toolkits = (try? FileManager.default.contentsOfDirectory(atPath: "/usr/local")) ?? []
    let folders =
      inPath + toolkits.filter { $0.hasPrefix("cuda") }.sorted().reversed().map { "/usr/local/\($0)/bin" }
    guard
      let path = folders.map({ "\($0)/compute-sanitizer" })
        .first(where: FileManager.default.isExecutableFile(atPath:))
    else { return nil }
    self.path = path
  }

  /// The exit code that we ask for if something is found.
  private static let found: Int32 = 99

  /// Runs `program` with `arguments` under a tool, for at most `limit` seconds.
  func run(_ tool: String, _ program: String, _ arguments: [String], limit: Int) throws -> GPUReport.Checker {
    let files = ["log", "errors"].map {
      FileManager.default.temporaryDirectory.appendingPathComponent("\(tool)-\(getpid()).\($0)")
    }
    for file in files { Leftovers.add(file.path) }
    defer { for file in files { Leftovers.remove(file.path) } }
    for file in files { try Data().write(to: file) }
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments =
      [
        "timeout", "-k", "5", "\(limit)", path, "--tool", tool, "--error-exitcode", "\(Self.found)",
        // The program looks at every code itself, and one call fails by design: see `CUDADevice.parameters`.
        "--report-api-errors", "no", "--log-file", files[0].path, program,
      ] + arguments
    process.standardInput = FileHandle.nullDevice
    process.standardOutput = FileHandle.nullDevice
    process.standardError = try FileHandle(forWritingTo: files[1])
    try Leftovers.start(process)
    process.waitUntilExit()
    Leftovers.ended(process)

    let lines = files.map { file in
      ((try? String(contentsOf: file, encoding: .utf8)) ?? "").split(separator: "\n")
        .map { String($0.drop { "= ".contains($0) }) }.filter { !$0.isEmpty }
    }
    let (log, errors) = (lines[0], lines[1])
    let summary = log.last { $0.contains("SUMMARY") } ?? log.last
    let status = process.terminationStatus
    if let refused = (log + errors).first(where: { $0.contains("not supported") }) {
      return .init(tool: tool, outcome: .notDone, words: "could not run: \(refused)")
    }
    return switch status {
    case 0: .init(tool: tool, outcome: .clean, words: summary ?? "nothing found")
    case 124, 137: .init(tool: tool, outcome: .notDone, words: "not done within \(limit) s")
    case Self.found:
      .init(
        tool: tool, outcome: .found,
        words: [log.first { $0.contains("rror") }, summary].compactMap(\.self).joined(separator: " … "))
    // The tool was so slow that no shape had its turn.
    case 1 where errors.last?.contains(GPUReport.nothing) == true:
      .init(tool: tool, outcome: .notDone, words: "not done within \(limit) s")
    // The program's own word for an error above its bound.
    case 1: .init(tool: tool, outcome: .found, words: "the program under it: \(errors.last ?? "status 1")")
    default:
      .init(
        tool: tool, outcome: .notDone,
        words: "could not run: status \(status), \(errors.last ?? summary ?? "in silence")")
    }
  }
}
