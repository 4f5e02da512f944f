import Runs
import Formatting
import ArgumentParser
import Foundation
import Results
import Workloads

/// `infinite-sim trace inspect`: what a trace is like.
struct TraceInspect: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "inspect", abstract: "Show lengths, rate, burstiness, sessions and prefixes of a trace.")

  @Argument(help: "Trace.") var path: String
  @OptionGroup var reading: ReadingOptions
  @Flag(help: "Print JSON.") var json = false

  func run() throws {
    var options = try reading.apply(to: .unchanged)
    options.keepsDetails = true
    let trace = try reading.open(path, options)
    IdleOption.warn(reading.idle(in: trace))
    let report = TraceReport(trace: trace, statistics: try TraceStatistics(of: trace))
    try writeToStandardOutput(json ? report.json.prettyText : report.text)
  }
}

/// What `inspect` prints.
struct TraceReport {
  var trace: TraceFile
  var statistics: TraceStatistics

  private static let shares = [0.5, 0.9, 0.99]

  var json: JSON {
    let s = statistics
    let dispersions = s.windows.map { JSON.Member("\($0.seconds)", .optional($0.dispersion)) }
    let skipped = SkipReason.allCases.compactMap { reason in
      trace.count.skipped[reason].map { JSON.Member(reason.rawValue, .int($0)) }
    }
    return [
      "format": .string(trace.format.name),
      "times": .string(trace.timeText),
      "unread_columns": .array(trace.unreadColumns.map(JSON.string)),
      "rows": .int(s.rows),
      "skipped": .object(skipped),
      "rows_in_file": .int(trace.count.all),
      "prompt": lengths(s.prompts),
      "output": lengths(s.outputs),
      "context": lengths(s.contexts),
      "longest_contexts": .array(longest.map(JSON.int)),
      "span_s": .double(s.last.seconds),
      "requests_per_s": .optional(s.rate),
      "interarrival_cv": .optional(s.gapCV),
      "index_of_dispersion": .optional(s.windows[0].dispersion),
      "index_of_dispersion_by_window_s": .object(dispersions),
      "quantum_s": .optional(s.quantum),
      "sessions": s.sessions > 0 ? .int(s.sessions) : .null,
      "prefix_hit_rate": .optional(s.prefixes.blockHitRate ?? s.prefixes.tokenHitRate),
      "prefix_token_hit_rate": .optional(s.prefixes.tokenHitRate),
      "prefix_blocks": .int(s.prefixes.blocks),
      "prefix_hit_blocks": .int(s.prefixes.hitBlocks),
      "warnings": .array((trace.notes + s.warnings).map(JSON.string)),
      "digest": .string(trace.digest),
    ]
  }

  private func lengths(_ counts: LengthCounts) -> JSON {
    let p = counts.percentiles(Self.shares)
    return [
      "mean": .double(counts.mean), "p50": .int(p[0]), "p90": .int(p[1]), "p99": .int(p[2]),
      "max": .int(counts.maximum),
    ]
  }

  /// Prompt + output of the five longest requests.
  private var longest: [Int] {
    var list: [Int] = []
    for (length, count) in statistics.contexts.ascending.reversed() where list.count < 5 {
      list += Array(repeating: length, count: min(count, 5 - list.count))
    }
    return list
  }

  var text: String {
    let s = statistics
    var out = "\(trace.path): format \(trace.format.name), times: \(trace.timeText)\n\(trace.count.text)\n\n"
    if let first = trace.count.firstSkipped { out += "first skipped: \(first)\n\n" }
    var rows = [["tokens", "mean", "p50", "p90", "p99", "max"]]
    for (name, counts) in [("prompt", s.prompts), ("output", s.outputs), ("prompt + output", s.contexts)] {
      rows.append(
        [name, figure(counts.mean)] + counts.percentiles(Self.shares).map(grouped) + [grouped(counts.maximum)]
      )
    }
    out += markdownTable(rows)
    out += "longest contexts: \(longest.map(grouped).joined(separator: ", ")) tokens\n\n"
    if let rate = s.rate, let cv = s.gapCV {
      out += "span \(figure(s.last.seconds)) s, \(figure(rate)) requests/s\n"
      out += "burstiness (a Poisson process has 1): CV of gaps \(figure(cv)); index of dispersion "
      out += s.windows.map { "\($0.dispersion.map(figure) ?? "–") at \($0.seconds) s" }.joined(
        separator: ", ")
      out += "\n"
    } else {
      out += "all requests arrive at once\n"
    }
    if s.sessions > 0 {
      let turns = s.turnsPerSession
      out +=
        "\(grouped(s.sessions)) sessions, \(figure(turns.mean)) requests each (at most \(grouped(turns.maximum)))"
      out += s.thinks > 0 ? ", think time \(figure(s.meanThink)) s on average\n" : "\n"
    }
    if let rate = s.prefixes.blockHitRate {
      out += "prefix hits without eviction: \(percent(rate)) of \(grouped(s.prefixes.blocks)) blocks\n"
    }
    if let rate = s.prefixes.tokenHitRate {
      out += "prefix hits without eviction: \(percent(rate)) of the prompt tokens\n"
    }
    out += "\nprompt tokens\n" + histogram(s.prompts) + "\noutput tokens\n" + histogram(s.outputs)
    let warnings = trace.notes + s.warnings
    for warning in warnings { out += "\nwarning: \(warning)" }
    return out + (warnings.isEmpty ? "" : "\n")
  }

  /// Bars over powers of two, the fullest 50 characters long.
  private func histogram(_ counts: LengthCounts) -> String {
    var bins: [Int: Int] = [:]
    for (length, count) in counts.ascending {
      bins[Int.bitWidth - max(length, 1).leadingZeroBitCount, default: 0] += count
    }
    guard let low = bins.keys.min(), let high = bins.keys.max(), let fullest = bins.values.max() else {
      return ""
    }
    let labels = (low...high).map { "\(grouped(1 << ($0 - 1)))–\(grouped(1 << $0 - 1))" }
    let width = labels.map(\.count).max() ?? 0
    let counted = (low...high).map { grouped(bins[$0] ?? 0) }
    let countWidth = counted.map(\.count).max() ?? 0
    var out = ""
    for (index, bin) in (low...high).enumerated() {
      let length = (bins[bin] ?? 0) * 50 / fullest
      let bar = String(repeating: "█", count: length) + (length == 0 && bins[bin] != nil ? "▏" : "")
      let label = String(repeating: " ", count: width - labels[index].count) + labels[index]
      let count = String(repeating: " ", count: countWidth - counted[index].count) + counted[index]
      out += "  \(label)  \(count)  \(bar)\n"
    }
    return out
  }
}
