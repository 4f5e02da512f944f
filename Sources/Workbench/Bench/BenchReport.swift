import Runs
import Formatting
import Results

/// The measurements of one `bench run`, as a table and as JSON.
struct BenchReport {
  var measurements: [BenchMeasurement]
  var skipped: [String]

  /// The median of what a target bounds; `nil` if the scenario it is compared with was not measured.
  private func value(_ figure: BenchScenario.Figure, _ m: BenchMeasurement) -> Double? {
    switch figure {
    case .loop: m.loop.median
    case .loopPerMillion: m.loop.median * 1e6 / Double(m.requests)
    case .process: m.process.median
    case .memory: m.peak.median
    case .memoryAboveVersion: m.peak.median - m.versionMB
    case .loopRatio(let name):
      // Of samples of the same round.
      measurements.first { $0.scenario.name == name }.map { other in
        Quartiles(zip(m.loops, other.loops).map { $0 / $1 }).median
      }
    }
  }

  private func key(_ figure: BenchScenario.Figure) -> String {
    switch figure {
    case .loop: "loop_s"
    case .loopPerMillion: "loop_s per million requests"
    case .process: "process_s"
    case .memory: "peak_rss_mb"
    case .memoryAboveVersion: "peak_rss_above_version_mb"
    case .loopRatio(let name): "loop_s over that of \(name)"
    }
  }

  var json: JSON {
    [
      "program_version": .string(ThisProgram.version),
      "scenarios": .array(measurements.map(scenario)),
      "skipped": .array(skipped.map(JSON.string)),
    ]
  }

  private func scenario(_ m: BenchMeasurement) -> JSON {
    [
      "name": .string(m.scenario.name), "summary": .string(m.scenario.summary),
      "arguments": .array(m.scenario.arguments.map(JSON.string)),
      "fingerprint": m.result["fingerprint"] ?? .null,
      "load": m.result["load"] ?? .null, "requests": .int(m.requests), "steps": m.result["steps"] ?? .null,
      "samples": .int(m.loops.count), "loop_s": m.loop.json,
      "loop_samples_s": .array(m.loops.map(JSON.double)), "process_s": m.process.json,
      "requests_per_s": .double(Double(m.requests) / m.loop.median), "peak_rss_mb": m.peak.json,
      "version_peak_rss_mb": .double(m.versionMB), "lending": m.lending?.json ?? .null,
      "targets": .array(
        m.scenario.targets.map { target in
          let found = value(target.figure, m)
          return [
            "figure": .string(key(target.figure)), "at_most": .double(target.atMost),
            "found": .optional(found),
            "met": found.map { .bool($0 <= target.atMost) } ?? .null,
          ]
        }),
    ]
  }

  var text: String {
    var rows = [
      [
        "scenario", "requests", "load", "samples", "loop s", "quartiles", "requests/s", "process s",
        "quartiles",
        "MB above --version",
      ]
    ]
    for m in measurements {
      rows.append([
        m.scenario.name, grouped(m.requests), m.result["load"]?.string ?? "", String(m.loops.count),
        figure(m.loop.median), "\(figure(m.loop.lower))–\(figure(m.loop.upper))",
        figure(Double(m.requests) / m.loop.median), figure(m.process.median),
        "\(figure(m.process.lower))–\(figure(m.process.upper))", figure(m.peak.median - m.versionMB),
      ])
    }
    var text = measurements.isEmpty ? "" : markdownTable(rows, leftColumns: [0, 2]) + "\n"
    for m in measurements {
      text +=
        "\(m.scenario.name): \(m.scenario.summary); fingerprint \(m.result["fingerprint"]?.string ?? ""), "
        + "the same step by step\n"
      if let lending = m.lending {
        text +=
          "  \(grouped(lending.giants)) requests larger than an instance, \(grouped(lending.borrowedBlocks)) blocks "
          + "borrowed, \(grouped(lending.landedMoves)) moves landed, distributed prefill\n"
      }
      for target in m.scenario.targets {
        let found = value(target.figure, m)
        let verdict = found.map { $0 <= target.atMost ? "met" : "MISSED" } ?? "not measured"
        text +=
          "  target \(key(target.figure)) ≤ \(figure(target.atMost)): \(found.map(figure) ?? "–") \(verdict)\n"
      }
    }
    for line in skipped { text += line + "\n" }
    return text
  }
}
