import Foundation
import Results

/// What was measured of one scenario.
struct BenchMeasurement {
  var scenario: BenchScenario
  /// One per sample.
  var loops: [Double] = []
  var processes: [Double] = []
  var peaks: [Double] = []
  /// What the program needs to start and to say its version, MB.
  var versionMB: Double
  /// The result that all samples printed.
  var result: JSON
  var lending: BenchLending?

  var loop: Quartiles { Quartiles(loops) }
  var process: Quartiles { Quartiles(processes) }
  var peak: Quartiles { Quartiles(peaks) }
  var requests: Int { result["requests"]?["arrived"]?.integer ?? 0 }
}

/// Median and quartiles (linear between order statistics).
struct Quartiles {
  var lower: Double
  var median: Double
  var upper: Double

  /// Of at least one value.
  init(_ values: [Double]) {
    let sorted = values.sorted()
    func at(_ share: Double) -> Double {
      let place = share * Double(sorted.count - 1)
      let index = min(Int(place), sorted.count - 1)
      let next = min(index + 1, sorted.count - 1)
      return sorted[index] + (sorted[next] - sorted[index]) * (place - Double(index))
    }
    (lower, median, upper) = (at(0.25), at(0.5), at(0.75))
  }

  var json: JSON { ["q1": .double(lower), "median": .double(median), "q3": .double(upper)] }
}

/// Checks and times scenarios.
struct BenchRunner {
  var traces: BenchTrace
  var program: URL
  /// Fresh processes per scenario.
  var samples: Int
  var say: (String) -> Void

  /// Checks the scenario, then times it; `nil` if its data is not on this machine.
  ///
  /// Throws `CommandFailure` if skip-ahead differs from step by step, samples differ, or a floor is missed.
  func measure(_ scenario: BenchScenario, versionMB: Double) throws -> BenchMeasurement? {
    guard let trace = try traces.path(scenario.trace) else { return nil }
    let arguments = ["run", "--trace", trace] + scenario.arguments + ["--json", "--timing", "--quiet"]
    say("\(scenario.name): step by step")
    let walked = try fingerprint(arguments + ["--step-by-step"])
    var lending: BenchLending?
    if scenario.requiresLending {
      say("\(scenario.name): counting what is lent")
      lending = try BenchLending.count(Array(arguments.dropFirst()))
      try lending?.requireFloors(scenario.name)
    }
    var measured: BenchMeasurement?
    for number in 1...samples {
      say("\(scenario.name): sample \(number) of \(samples)")
      let process = try BenchProcess(arguments, of: program, in: traces.folder)
      let result = try process.result()
      let found = result["fingerprint"]?.string ?? "none"
      guard found == walked else {
        throw CommandFailure(
          .runFailed, "\(scenario.name): fingerprint \(found), but \(walked) step by step: no time counts")
      }
      guard result == measured?.result ?? result,
        lending.map({ $0.fingerprint == found }) ?? true
      else {
        throw CommandFailure(
          .runFailed, "\(scenario.name): sample \(number) has another result: no time counts")
      }
      var next =
        measured
        ?? BenchMeasurement(scenario: scenario, versionMB: versionMB, result: result, lending: lending)
      next.loops.append(try process.timed("loop_s"))
      next.peaks.append(try process.timed("peak_rss_mb"))
      next.processes.append(process.seconds)
      measured = next
    }
    return measured
  }

  /// Median peak memory of the program that only starts and says its version, MB.
  func versionMemory() throws -> Double {
    Quartiles(
      try (0..<5).map { _ in
        try BenchProcess(["bench", "start"], of: program, in: traces.folder).timed("peak_rss_mb")
      }
    ).median
  }

  private func fingerprint(_ arguments: [String]) throws -> String {
    guard
      let found = try BenchProcess(arguments, of: program, in: traces.folder).result()["fingerprint"]?.string
    else {
      throw CommandFailure(.runFailed, "run --json printed no fingerprint")
    }
    return found
  }
}
