import Runs
import Foundation
import Results

/// What was measured of one scenario.
struct BenchMeasurement {
  var scenario: BenchScenario
  /// Path of its trace.
  var trace: String
  /// What `--step-by-step` printed, events aside: of these skipping ahead has fewer.
  var walked: JSON
  var lending: BenchLending?
  /// What the program needs to start and to say its version, MB.
  var versionMB: Double
  /// The result that all samples printed.
  var result: JSON = .null
  /// One per sample.
  var loops: [Double] = []
  var processes: [Double] = []
  var peaks: [Double] = []

  var loop: Quartiles { Quartiles(loops) }
  var process: Quartiles { Quartiles(processes) }
  var peak: Quartiles { Quartiles(peaks) }
  var requests: Int { result["requests"]?["arrived"]?.integer ?? 0 }
}

/// Median and quartiles (linear between order statistics).
package struct Quartiles {
  package var lower: Double
  package var median: Double
  package var upper: Double

  /// Of at least one value.
  package init(_ values: [Double]) {
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

  /// Checks the scenarios, then times them in turn: a machine that changes its speed does so for all of them. `skipped` is
  /// given those whose data is not on this machine.
  ///
  /// Throws `CommandFailure` if skip-ahead differs from step by step, samples differ, or a floor is missed.
  func measure(_ scenarios: [BenchScenario], skipped: (BenchScenario) -> Void) throws -> [BenchMeasurement] {
    let versionMB = try versionMemory()
    var measurements: [BenchMeasurement] = []
    for scenario in scenarios {
      guard let trace = try traces.path(scenario.trace) else {
        skipped(scenario)
        continue
      }
      measurements.append(try check(scenario, trace, versionMB: versionMB))
    }
    for number in 1...samples {
      // Another one first each time, and back in every second round: nobody always comes after the same one.
      let order = measurements.indices.map { ($0 + number) % measurements.count }
      for index in number % 2 == 0 ? order : order.reversed() { try sample(&measurements[index], number) }
    }
    return measurements
  }

  private func arguments(_ scenario: BenchScenario, _ trace: String) -> [String] {
    ["run", "--trace", trace, "--accept-times"] + scenario.arguments + ["--json", "--timing", "--quiet"]
  }

  private func check(
    _ scenario: BenchScenario, _ trace: String, versionMB: Double
  ) throws -> BenchMeasurement {
    let arguments = arguments(scenario, trace)
    say("\(scenario.name): step by step")
    let walked = try BenchProcess(arguments + ["--step-by-step"], of: program, in: traces.folder).result()
    var lending: BenchLending?
    if scenario.requiresLending {
      say("\(scenario.name): counting what is lent")
      lending = try BenchLending.count(Array(arguments.dropFirst()))
      try lending?.requireFloors(scenario.name)
    }
    return BenchMeasurement(
      scenario: scenario, trace: trace, walked: walked.without("events"), lending: lending,
      versionMB: versionMB)
  }

  private func sample(_ measured: inout BenchMeasurement, _ number: Int) throws {
    let name = measured.scenario.name
    say("\(name): sample \(number) of \(samples)")
    let process = try BenchProcess(
      arguments(measured.scenario, measured.trace), of: program, in: traces.folder)
    let result = try process.result()
    if number == 1 { measured.result = result }
    let fingerprint = result["fingerprint"]?.string
    guard result.without("events") == measured.walked else {
      throw CommandFailure(
        .runFailed,
        "\(name): another result than step by step (fingerprints \(fingerprint ?? "none") and "
          + "\(measured.walked["fingerprint"]?.string ?? "none")): no time counts")
    }
    guard result == measured.result else {
      throw CommandFailure(.runFailed, "\(name): sample \(number) has another result: no time counts")
    }
    if let lending = measured.lending, lending.fingerprint != fingerprint {
      throw CommandFailure(
        .runFailed,
        "\(name): fingerprint \(fingerprint ?? "none"), but \(lending.fingerprint) in the run in which loans were counted"
      )
    }
    measured.loops.append(try process.timed("loop_s"))
    measured.peaks.append(try process.timed("peak_rss_mb"))
    measured.processes.append(process.seconds)
  }

  /// Median peak memory of the program that only starts and says its version, MB.
  private func versionMemory() throws -> Double {
    Quartiles(
      try (0..<5).map { _ in
        try BenchProcess(["bench", "start"], of: program, in: traces.folder).timed("peak_rss_mb")
      }
    ).median
  }
}

extension JSON {
  /// The object without a key.
  fileprivate func without(_ key: String) -> JSON {
    guard case .object(let members) = self else { return self }
    return .object(members.filter { $0.key != key })
  }
}
