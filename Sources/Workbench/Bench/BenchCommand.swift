import Runs
import Formatting
import ArgumentParser
import Foundation
import Output
import Results

/// `infinite-sim bench`: how fast this program is.
struct BenchCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bench", abstract: "Time fixed scenarios, each checked before its time counts.",
    subcommands: [BenchList.self, BenchRun.self, BenchStart.self])
}

/// `infinite-sim bench list`: the scenarios.
struct BenchList: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "list", abstract: "List the scenarios.")

  func run() throws {
    var rows = [["scenario", "what it is", "arguments of run"]]
    for scenario in BenchScenario.all {
      rows.append([scenario.name, scenario.summary, scenario.arguments.joined(separator: " ")])
    }
    try writeToStandardOutput(markdownTable(rows, leftColumns: [0, 1, 2]))
  }
}

/// `infinite-sim bench run`: check and time scenarios.
struct BenchRun: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "run", abstract: "Check and time scenarios.",
    discussion: """
      Each sample is the first event loop of a fresh process of the program: `run --json --timing`, all metrics \
      filled. Its fingerprint must be that of --step-by-step, which runs before, and all samples must print the \
      same. A difference, or a case that is not what it says, exits with 1. Missed targets are shown and do not. Run \
      it in the project's folder, on an idle machine.
      """)

  @Argument(help: "Scenarios or groups of them: outputs, small, all.")
  var names: [String]
  @Option(help: "Fresh processes per scenario.")
  var samples = 11
  @Option(help: ArgumentHelp("Another build of infinite-sim to time. (default: this one)"))
  var program: String?
  @Option(help: ArgumentHelp("Folder of public traces. (default: $INFINITE_SIM_DATA or ../shared/data)"))
  var data: String?
  @Option(help: "Folder of the generators.")
  var recipes = "Benchmarks/recipes"
  @Flag(help: "Print JSON.")
  var json = false
  @Flag(help: "No progress.")
  var quiet = false

  mutating func validate() throws {
    if !(1...10_000).contains(samples) {
      throw ValidationError("--samples is \(samples), expected 1 to 10000.")
    }
    for name in names where BenchScenario.named(name).isEmpty {
      let known = BenchScenario.all.map(\.name).joined(separator: ", ")
      throw ValidationError("There is no scenario \(name). There are: \(known); and outputs, small, all.")
    }
  }

  func run() throws {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("bench-\(UUID().uuidString)")
    Leftovers.add(folder.path)
    defer { Leftovers.remove(folder.path) }
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    let found = data ?? ProcessInfo.processInfo.environment["INFINITE_SIM_DATA"] ?? "../shared/data"
    let runner = BenchRunner(
      traces: BenchTrace(data: found, recipes: recipes, folder: folder),
      program: try program.map { URL(fileURLWithPath: $0) } ?? ThisProgram.location(),
      samples: samples,
      say: { if !quiet { writeToStandardError($0 + "\n") } })
    var seen: Set<String> = []
    let scenarios = names.flatMap(BenchScenario.named).filter { seen.insert($0.name).inserted }
    var skipped: [String] = []
    let measurements = try runner.measure(scenarios) {
      skipped.append("skipped: data not found: \($0.name): no trace in \(found)")
    }
    let report = BenchReport(measurements: measurements, skipped: skipped)
    try writeToStandardOutput(json ? report.json.prettyText : report.text)
  }
}

/// `infinite-sim bench start`: what every process of the program needs, to be subtracted from what a run needs.
struct BenchStart: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "start", abstract: "Print the version, and the memory that took.",
    shouldDisplay: false)

  func run() throws {
    try writeToStandardOutput("infinite-sim \(ThisProgram.version)\n")
    writeToStandardError(LoopTiming().json.text + "\n")
  }
}
