import Runs
import Foundation
import Output
import Results
import Synchronization

/// A fresh process of the program, as a user would start it.
struct BenchProcess {
  /// Wall time from before its start until its end was seen, seconds.
  var seconds: Double
  /// What it printed on stdout.
  var output: String
  /// The line that `--timing` printed on stderr.
  var timing: JSON

  /// Runs the program with `arguments` to its end; throws what it said if it fails.
  init(_ arguments: [String], of program: URL, in folder: URL) throws {
    let files = ["stdout", "stderr"].map { folder.appendingPathComponent($0) }
    for file in files { try Data().write(to: file) }
    let process = Process()
    process.executableURL = program
    process.arguments = arguments
    process.standardInput = FileHandle.nullDevice
    // Files, not pipes: nobody need read while the program runs.
    process.standardOutput = try FileHandle(forWritingTo: files[0])
    process.standardError = try FileHandle(forWritingTo: files[1])
    let ended = Mutex<ContinuousClock.Instant?>(nil)
    let signal = DispatchSemaphore(value: 0)
    process.terminationHandler = { _ in
      ended.withLock { $0 = .now }
      signal.signal()
    }
    let begin = ContinuousClock.now
    do { try Leftovers.start(process) } catch {
      throw CommandFailure(
        .missingInput, "\(program.path) could not be started: \(error.localizedDescription)")
    }
    signal.wait()
    Leftovers.ended(process)
    seconds = ((ended.withLock(\.self) ?? .now) - begin).inSeconds
    output = try String(contentsOf: files[0], encoding: .utf8)
    let errors = try String(contentsOf: files[1], encoding: .utf8)
    guard process.terminationStatus == 0 else {
      throw CommandFailure(
        .runFailed,
        "\(program.path) \(arguments.joined(separator: " ")): exit code \(process.terminationStatus): \(errors)"
      )
    }
    timing = try errors.split(separator: "\n").last.map { try JSON(parsing: String($0)) } ?? [:]
  }

  /// The result that `run --json` printed.
  func result() throws -> JSON { try JSON(parsing: output) }

  /// A key of the timing line.
  func timed(_ key: String) throws(CommandFailure) -> Double {
    guard let number = timing[key]?.number else {
      throw CommandFailure(.runFailed, "--timing printed no \(key)")
    }
    return number
  }
}
