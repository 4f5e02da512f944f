import Runs
import Foundation
import Output
import Workloads

/// Finds or generates the trace of a scenario.
package struct BenchTrace {
  var data: String
  var recipes: String
  /// Where generated traces go; those that are there are taken.
  var folder: URL

  package init(data: String, recipes: String, folder: URL) {
    self.data = data
    self.recipes = recipes
    self.folder = folder
  }

  /// The path of the trace; `nil` if it is a public one that is not on this machine.
  package func path(_ trace: BenchScenario.Trace) throws -> String? {
    switch trace {
    case .data(let file):
      let path = data + "/" + file
      return FileManager.default.fileExists(atPath: path) ? path : nil
    case .recipe(let name):
      let path = folder.appendingPathComponent(name + ".csv").path
      guard !FileManager.default.fileExists(atPath: path) else { return path }
      try Self.generate(try GeneratorYAML.read(path: "\(recipes)/\(name).yaml"), to: path)
      return path
    }
  }

  /// Requests that are held in memory at once.
  private static let piece = 1_000_000

  /// Writes the requests that `spec` describes, piece by piece: each of a million goes on where the one before ended,
  /// with the next seed.
  private static func generate(_ spec: WorkloadSpec, to path: String) throws {
    let file = try OutputWriter(OutputFile(path))
    file.write("arrival_s,input_tokens,output_tokens")
    file.endLine()
    guard let wanted = spec.requests else {
      throw CommandFailure(.usage, "the recipe of \(path) says no number of requests")
    }
    var (left, begin, seed) = (wanted, Int64(0), spec.seed)
    while left > 0 {
      var part = spec
      part.requests = min(left, piece)
      part.seed = seed
      var last = begin
      for record in try part.generate() {
        // Microseconds; the first of a piece arrives one after the last of the piece before.
        last = begin + record.request.arrival.picoseconds / 1_000_000
        file.write(last / 1_000_000)
        file.write(".")
        let fraction = String(last % 1_000_000)
        file.write(String(repeating: "0", count: 6 - fraction.count) + fraction)
        file.write(",")
        file.write(Int64(record.request.prompt))
        file.write(",")
        file.write(Int64(record.request.output))
        file.endLine()
      }
      left -= min(left, piece)
      begin = last + 1
      seed &+= 1
    }
    try OutputWriter.publish([file])
  }
}
