import Foundation
import Sim
import Workloads

/// A folder for one test's files, removed with the value that owns it.
final class Scratch {
  let folder: String

  init() throws {
    folder = NSTemporaryDirectory() + "/workloads-" + UUID().uuidString
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(atPath: folder) }

  /// Writes `bytes` and returns the path.
  func file(_ bytes: some Sequence<UInt8>, named name: String = "trace.csv") throws -> String {
    let path = folder + "/" + name
    try Data(bytes).write(to: URL(fileURLWithPath: path))
    return path
  }

  func file(_ text: String, named name: String = "trace.csv") throws -> String {
    try file(text.utf8, named: name)
  }

  /// All requests of a trace with this text.
  func requests(_ text: String, options: TraceOptions = .unchanged) throws -> [TraceRequest] {
    try TraceFile.open(path: file(text), options: options).all()
  }
}

/// A request by its arrival in picoseconds.
func request(_ arrival: Int64, _ prompt: Int, _ output: Int) -> TraceRequest {
  TraceRequest(arrival: SimTime(picoseconds: arrival), prompt: prompt, output: output)
}

/// The error of a failed call, or `nil`.
func traceError(_ body: () throws -> Void) -> TraceError? {
  do { try body() } catch { return error as? TraceError }
  return nil
}

/// Requests with random sizes and gaps, `seed` deciding all; every fifth gap is zero.
func randomRequests(seed: UInt64, count: Int) -> [TraceRequest] {
  let stream = RandomStream(seed: seed, name: "random-requests")
  var arrival: Int64 = 0
  return (0..<count).map { index in
    if index > 0, index % 5 != 0 {
      arrival += Int64(stream.integer(below: 5_000_000_000_000, entity: index, ordinal: 0))
    }
    return request(
      arrival, 1 + stream.integer(below: 100_000_000, entity: index, ordinal: 1),
      1 + stream.integer(below: 1_000, entity: index, ordinal: 2))
  }
}
