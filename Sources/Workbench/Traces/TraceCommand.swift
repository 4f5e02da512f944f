import Runs
import Formatting
import ArgumentParser
import Foundation
import Output
import Results
import Workloads

/// `infinite-sim trace`: look at, make and change traces.
struct TraceCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "trace", abstract: "Inspect, generate, convert and fit traces.",
    subcommands: [
      TraceInspect.self, TraceGenerate.self, TraceConvert.self, TraceFitCommand.self, TraceCheck.self,
      TraceFormats.self,
    ])
}

/// `infinite-sim trace formats`: what can be read and written.
struct TraceFormats: ParsableCommand {
  static let configuration = CommandConfiguration(commandName: "formats", abstract: "List the formats.")

  func run() throws {
    var rows = [["format", "what it is", "columns or keys", "times", "written"]]
    for format in TraceFormat.all {
      rows.append([
        format.name, format.summary, format.requiredNames.joined(separator: ", "),
        format.timeText, format.isWritable ? "yes" : "no",
      ])
    }
    var hints = [["speaks of", "a name with", "or with the word"]]
    for hint in ColumnHint.all {
      hints.append([
        hint.meaning, hint.parts.joined(separator: ", "), hint.words.joined(separator: ", "),
      ])
    }
    try writeToStandardOutput(
      markdownTable(rows, leftColumns: [0, 1, 2, 3, 4])
        + "\nA column or key that a format does not read is an error if another format reads it, or if its name, in any case, "
        + "speaks of what a request is; --ignore-columns leaves it unread.\n\n"
        + markdownTable(hints, leftColumns: [0, 1, 2]))
  }
}

extension TraceFile {
  /// Says on stderr what a user should know of the way in which it was read.
  func writeNotes() { for note in notes { writeToStandardError("note: \(note)\n") } }
}

/// Says on stderr what a user should know of a file, if there is anything.
private func writeNote(_ note: String?, on path: String) {
  if let note { writeToStandardError("note: \(path): \(note)\n") }
}

/// `infinite-sim trace check`: read every row and count.
struct TraceCheck: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "check", abstract: "Read every row of a trace and say how many there are.")

  @Argument(help: "Trace.") var path: String
  @OptionGroup var reading: ReadingOptions
  @Flag(
    help:
      "Only read and validate, without digest, and print one JSON line on stderr: read_s, cpu_s, rows_per_s (of CPU time)."
  )
  var timing = false

  func run() throws {
    let options = try reading.apply(to: .unchanged)
    guard timing else {
      let trace = try reading.open(path, options)
      trace.writeNotes()
      IdleOption.warn(
        reading.idle(in: trace) + IdleOption.given(["--arrivals", "--jitter"], "where rows are counted"))
      return try writeToStandardOutput("\(trace.format.name): \(trace.count.text)\n")
    }
    let (begin, cpuBegin) = (ContinuousClock.now, clock())
    let (format, count) = try TraceFile.countRows(path: path, options: options)
    let seconds = (ContinuousClock.now - begin) / .seconds(1)
    try writeToStandardOutput("\(format.name): \(count.text)\n")
    // One thread: what other programs take of the machine is left out.
    let cpu = Double(clock() - cpuBegin) / Double(CLOCKS_PER_SEC)
    let line: JSON = [
      "read_s": .double(seconds), "cpu_s": .double(cpu), "rows_per_s": .double(Double(count.read) / cpu),
    ]
    writeToStandardError(line.text + "\n")
  }
}

/// `infinite-sim trace convert`: any format to any that can be written.
struct TraceConvert: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "convert", abstract: "Write a trace in another format, cut, rescaled, sorted or sampled.")

  @Argument(help: "Trace.") var path: String
  @Option(help: "Where to write it.") var out: String
  @Option(help: "Format to write; see `infinite-sim trace formats`.") var to = "plain"
  @Option(
    help: ArgumentHelp(
      "Give up what the format has no room for: id, session, turn, think, class, hashes, prefix, times or all. "
        + "May be repeated."))
  var drop: [String] = []
  @Option(help: "Divide all arrival times by this.") var rateScale = "1"
  @Option(help: "Take the first N requests.") var limit: Int?
  @Option(help: "Shorten prompts until prompt + output is at most N tokens.") var clipTotal: Int?
  @Option(help: "Keep this share of the sessions, whole, chosen by --trace-seed.") var sampleSessions = 1.0
  @OptionGroup var reading: ReadingOptions

  func run() throws {
    guard let format = TraceFormat.named(to) else {
      throw OptionError.unknownName(option: "--to", found: to, valid: TraceFormat.all.map(\.name))
    }
    var dropped: Set<TraceDetail> = []
    for name in drop {
      if name == "all" {
        dropped = Set(TraceDetail.allCases)
      } else if let detail = TraceDetail(rawValue: name) {
        dropped.insert(detail)
      } else {
        throw OptionError.unknownName(
          option: "--drop", found: name, valid: TraceDetail.allCases.map(\.rawValue) + ["all"])
      }
    }
    let conversion = try TraceConversion(
      to: format, dropping: dropped, sessionShare: sampleSessions,
      seed: UInt64(max(reading.traceSeed ?? 0, 0)))
    var files = FileRoles()
    files.addTrace("PATH", path)
    files.addOutput("--out", out)
    try files.requireDistinct()
    _ = try OutputFile(out, option: "--out")
    var options = try reading.apply(
      to: TraceOptions(rateScale: rateScale, limit: limit, clipTotal: clipTotal))
    options.keepsDetails = true
    let trace = try reading.open(path, options)
    try files.finish {
      let rows = try conversion.run(trace, to: out)
      trace.writeNotes()
      var idle = reading.idle(in: trace, draws: sampleSessions < 1)
      if trace.info.lastArrival == .zero {
        idle += IdleOption.given(["--rate-scale"], "as all requests arrive at 0")
      }
      IdleOption.warn(idle)
      writeNote(format.noteOnReadingBack(rows, until: trace.info.lastArrival), on: out)
      return
        "\(trace.format.name): \(trace.count.text)\n\(format.name): \(grouped(rows)) requests written to \(out)\n"
    }
  }
}

/// `infinite-sim trace generate`: a workload from YAML, or a stand-in for a trace of the paper.
struct TraceGenerate: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "generate", abstract: "Generate a trace from a YAML file or a stand-in for the paper's.",
    discussion: "docs/workloads.md lists all keys of the YAML and all assumptions of the stand-ins.")

  @Argument(help: "Generator (YAML).") var spec: String?
  @Option(help: "Stand-in for the paper's trace 0 to 8 instead of a YAML file.") var paper: Int?
  @Option(help: "With --paper: mean tokens of a request.") var meanTokens: Double?
  @Option(help: "With --paper: standard deviation over mean.") var spread: Double?
  @Option(help: "With --paper: share of the tokens that is output.") var outputShare: Double?
  @Option(help: "With --paper: Poisson arrivals per second. (default: 1)") var rate: Double?
  @Option(help: "Requests, instead of those that the file says. (--paper: 500)") var requests: Int?
  @Option(help: "Seed, instead of the one that the file says. (--paper: 1)") var seed: Int?
  @Option(help: "Where to write it.") var out: String
  @Option(help: "Format to write.") var to = "plain"

  mutating func validate() throws {
    guard (spec == nil) != (paper == nil) else {
      throw ValidationError("Give either a YAML file or --paper.")
    }
    if paper == nil, meanTokens != nil || spread != nil || outputShare != nil || rate != nil {
      throw ValidationError("--mean-tokens, --spread, --output-share and --rate belong to --paper.")
    }
    if let seed, !(0...RunOptions.lastSeed).contains(seed) {
      throw ValidationError("--seed is \(seed), expected 0 to \(RunOptions.lastSeed).")
    }
    if let requests, !(1...WorkloadSpec.maximumRequests).contains(requests) {
      throw ValidationError("--requests is \(requests), expected 1 to \(WorkloadSpec.maximumRequests).")
    }
  }

  func run() throws {
    guard let format = TraceFormat.named(to) else {
      throw OptionError.unknownName(option: "--to", found: to, valid: TraceFormat.all.map(\.name))
    }
    var files = FileRoles()
    if let spec { files.addGenerator("SPEC", spec) }
    files.addOutput("--out", out)
    try files.requireDistinct()
    _ = try OutputFile(out, option: "--out")
    var workload: WorkloadSpec
    if let spec {
      workload = try GeneratorYAML.read(path: spec)
      if let requests { workload.requests = requests }
      if let seed { workload.seed = UInt64(seed) }
    } else {
      workload = try PaperTrace(
        paper ?? 0, mean: meanTokens, spread: spread, outputShare: outputShare, rate: rate ?? 1,
        requests: requests ?? 500, seed: UInt64(seed ?? 1)
      ).spec
    }
    let records = try workload.generate()
    try files.finish {
      try TraceConversion.write(records, as: format, to: out)
      return text(of: records, workload, format)
    }
  }

  private func text(of records: [TraceRecord], _ workload: WorkloadSpec, _ format: TraceFormat) -> String {
    writeNote(
      format.noteOnReadingBack(records.count, until: records.last?.request.arrival ?? .zero), on: out)
    var text = "\(grouped(records.count)) requests written to \(out)\n"
    for kind in workload.classes {
      let bounds = [("TTFT", kind.slo.ttftSeconds), ("TPOT", kind.slo.tpotSeconds)]
        .compactMap { name, bound in bound.map { "\(name) ≤ \(figure($0)) s" } }
      if !bounds.isEmpty { text += "class \(kind.name): \(bounds.joined(separator: ", "))\n" }
    }
    return text
  }
}
