import ArgumentParser
import Results
import Workloads

extension TimeUnit: ExpressibleByArgument {}

/// How a trace is read.
package struct ReadingOptions: ParsableArguments, Sendable {
  @Option(help: "Format by name; see `infinite-sim trace formats`. (default: found from the content)")
  package var format: String?
  @Flag(help: "Count and leave out rows that cannot be read, and say how many.")
  var lenient = false
  @Option(help: "With --lenient: the largest share of rows that may be left out. (default: 0.01)")
  var maxSkipped: Double?
  @Option(
    help: ArgumentHelp(
      "When requests without times arrive or sessions begin: together, poisson:RATE, fixed:RATE, gamma:RATE:CV "
        + "or weibull:RATE:SHAPE. (default: together)"))
  package var arrivals: String?
  @Option(help: "Spread arrivals that were rounded to multiples of so many seconds.")
  var jitter: String?
  @Option(help: "Seed of --arrivals, --jitter and client pools. (default: 0)")
  package var traceSeed: Int?
  @Option(help: ArgumentHelp("Seconds of a client pool that are drawn.", valueName: "from:to"))
  var poolSpan: String?
  @Flag(help: "Take rows in any order of time and sort them in memory.")
  var sort = false
  @Option(
    help: ArgumentHelp("Columns or keys that are left unread, separated by commas.", valueName: "names"))
  var ignoreColumns: String?
  @Option(help: "What the arrival column counts: s, ms, us or ns. (default: what the format says)")
  var timeUnit: TimeUnit?
  @Flag(help: "Take times that can hardly be in the unit in which they are read.")
  var acceptTimes = false

  package init() {}

  /// `options` with these in it.
  package func apply(to options: TraceOptions) throws(TraceError) -> TraceOptions {
    var options = options
    options.format = format
    options.isLenient = lenient
    options.maximumSkippedShare = lenient ? maxSkipped ?? 0.01 : 0
    options.arrivals = try arrivals.map { text throws(TraceError) in try ArrivalProcess(parsing: text) }
    if let jitter {
      guard let seconds = Double(jitter), seconds >= 1e-6, seconds <= 86_400 else {
        throw .invalidOption(name: "jitter", found: jitter, expected: "seconds from 0.000001 to 86400")
      }
      options.jitter = Int64((seconds * 1e6).rounded()) * 1_000_000
    }
    let seed = traceSeed ?? 0
    guard (0...RunOptions.lastSeed).contains(seed) else {
      throw .invalidOption(name: "trace-seed", found: "\(seed)", expected: "0 to \(RunOptions.lastSeed)")
    }
    options.seed = UInt64(seed)
    if let poolSpan {
      let ends = poolSpan.split(separator: ":", omittingEmptySubsequences: false).map { Int($0) ?? -1 }
      guard ends.count == 2, ends[0] >= 0, ends[0] <= ends[1] else {
        throw .invalidOption(name: "pool-span", found: poolSpan, expected: "seconds, such as 0:3600")
      }
      options.poolSpan = ends[0]...ends[1]
    }
    options.sorts = sort
    options.timeUnit = timeUnit
    options.acceptsTimes = acceptTimes
    options.ignoredColumns = ignoredColumns
    return options
  }

  private var ignoredColumns: Set<String> { TraceOptions.columns(ignoreColumns ?? "") }

  /// `path` read as these options say, which `options` are made of. Throws if they cannot be meant of such a trace.
  package func open(_ path: String, _ options: TraceOptions) throws -> TraceFile {
    let trace = try TraceFile.open(path: path, options: options)
    if let jitter, arrivals == nil, trace.format.timeText == TraceFormat.noTimes {
      throw CommandFailure(
        .usage,
        "--jitter \(jitter): \(path) has no times that could have been rounded; --arrivals gives it some")
    }
    return trace
  }

  /// What of this changes the requests of `trace`; `nil` if nothing does. The format does not: a file is of one. Nor does
  /// taking times as they are, nor what is idle.
  func manifest(of trace: TraceFile, _ sending: Sending) -> JSON? {
    var members: [JSON.Member] = []
    let idle = Set(idle(in: trace, sending).map(\.option))
    if lenient, trace.count.allSkipped > 0 { members.append(.init("lenient", .bool(true))) }
    if let arrivals, trace.options.arrivals?.pattern != .together {
      members.append(.init("arrivals", .string(arrivals)))
    }
    if let jitter, !idle.contains("--jitter") { members.append(.init("jitter", .string(jitter))) }
    if let traceSeed, traceSeed != 0, !idle.contains("--trace-seed"), !sending.isDrawn {
      members.append(.init("trace_seed", .int(traceSeed)))
    }
    if let poolSpan, !idle.contains("--pool-span") { members.append(.init("pool_span", .string(poolSpan))) }
    // Rows out of order are an error or skipped without it.
    if sort, trace.count.allSkipped > 0 { members.append(.init("sort", .bool(true))) }
    if !ignoredColumns.isEmpty {
      members.append(.init("ignore_columns", .array(ignoredColumns.sorted().map(JSON.string))))
    }
    if let timeUnit, timeUnit != trace.format.timeUnit {
      members.append(.init("time_unit", .string(timeUnit.rawValue)))
    }
    return members.isEmpty ? nil : .object(members)
  }
}
