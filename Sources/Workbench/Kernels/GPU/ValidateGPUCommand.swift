import Runs
import ArgumentParser
import Foundation
import Output

extension GPUCheck.Part: ExpressibleByArgument {}

/// `infinite-sim validate gpu`: the CUDA kernels on the GPU of this machine.
struct ValidateGPUCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "gpu",
    abstract: "Check the CUDA kernels on the GPU of this machine, and time them.",
    discussion: """
      Accuracy: random shapes against attention in Double on the CPU, by the bounds of `validate kernel`. Speed: decode calls \
      against the GPU's own read rate; reported, never judged. Checker: compute-sanitizer over some shapes, if it is there.
      A shape that fails is named with its seed: `validate gpu --only accuracy --seed 17 --shapes 1` makes it again.
      Exit codes: 0 all within bounds, 1 not so, something found or nothing checked, 66 no GPU that can be used.
      scripts/gpu-check runs this with the date and the commit, and takes its result into docs/cuda.md.
      """)

  @Option(help: "Only this part: accuracy, speed or checker; may be repeated. (default: all)")
  var only: [GPUCheck.Part] = []
  @Option(help: "Random shapes. (default: 300; 12 with --quick)")
  var shapes: Int?
  @Option(help: "Seed of the first shape; each of the others has the next one.")
  var seed = 0
  @Option(help: "Seconds for everything; what does not fit is said.")
  var limit: Double = 300
  @Flag(help: "Few calls, and small ones: for a driver that interprets.")
  var quick = false
  @Option(help: "A folder for gpu-check.json and gpu-check.md; made if it is not there.")
  var out: String?
  @Option(help: "The commit that the program was built from, for the report.")
  var commit: String?
  @Option(help: "The date, for the report.")
  var date: String?
  @Option(help: "Measure nothing: print the tables of an earlier gpu-check.json.")
  var show: String?
  @Flag(
    help:
      "With --show: refuse what does not belong into the documentation: a stand-in's numbers, a quick or a failed check's."
  )
  var publish = false

  func validate() throws {
    if let shapes, !(1...1_000_000).contains(shapes) {
      throw ValidationError("--shapes: found \(shapes), expected 1 … 1,000,000")
    }
    if !(0...1_000_000_000).contains(seed) {
      throw ValidationError("--seed: found \(seed), expected 0 … 1,000,000,000")
    }
    if !(1...86_400).contains(limit) { throw ValidationError("--limit: found \(limit), expected 1 … 86,400") }
    if publish, show == nil { throw ValidationError("--publish: needs --show") }
  }

  func run() throws {
    if let show {
      IdleOption.warn(
        IdleOption.given(
          ["--only", "--shapes", "--seed", "--limit", "--quick", "--out", "--commit", "--date"], "with --show"
        ))
      let report = try GPUReport(json: show)
      if publish { try requirePublishable(report, show) }
      return try writeToStandardOutput(report.text)
    }
    let folder = try out.map { try OutputFolder($0, option: "--out") }
    let check = try GPUCheck(
      GPUCheck.Options(
        parts: only.isEmpty ? GPUCheck.Part.allCases : only, shapes: shapes ?? (quick ? 12 : 300), seed: seed,
        isQuick: quick, limit: limit
      ) { report in
        try folder?.write([("gpu-check.json", report.json()), ("gpu-check.md", report.text)])
      }, program: ThisProgram.version, commit: commit, date: date)
    var report: GPUReport!
    try OutputWriter.together {
      report = try check.run()
      try writeToStandardOutput(report.text)
    }
    if !report.failures.isEmpty {
      throw CommandFailure(.runFailed, report.failures.joined(separator: "; "))
    }
    if report.isNothing {
      throw CommandFailure(
        .runFailed, ([GPUReport.nothing] + report.leftOut).joined(separator: "; "))
    }
  }

  private func requirePublishable(_ report: GPUReport, _ path: String) throws(CommandFailure) {
    func refuse(_ reason: String) -> CommandFailure { CommandFailure(.badData, "\(path): \(reason)") }
    if report.device.isStandIn {
      throw refuse("\(report.device.name): an interpreter's numbers say nothing of a GPU")
    }
    if report.isQuick { throw refuse("a quick check is no measurement") }
    if report.isNothing || report.accuracy.isEmpty || report.speed.isEmpty {
      throw refuse("it has no accuracy or no speed")
    }
    if let first = report.failures.first { throw refuse("the check failed: \(first)") }
  }
}
