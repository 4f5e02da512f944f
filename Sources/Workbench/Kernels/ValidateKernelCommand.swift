import Runs
import Formatting
import ArgumentParser
import Foundation
import Reference
import Results
import Sim

/// `infinite-sim validate kernel`: DistAttention computed in parts on this machine, against plain attention in Double.
struct ValidateKernelCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "kernel",
    abstract: "Check partial attention and its merge against plain attention in Double.",
    discussion: """
      Random queries, keys and values of one layer are dealt to simulated hosts, computed in parts, merged in several
      orders and compared with the oracle. With --hosts the parts are computed by processes of their own that hold the
      keys and values, and the bytes that move are counted.
      """)

  @Option(help: "all, or one of \(KernelBackends.all.map(\.name).joined(separator: ", ")).")
  var backend = "all"
  @Option(help: "Model preset, or the path of a Hugging Face config.json.")
  var model = "llama2-13b"
  @Option(help: "Cached tokens. (default: 8192; 65536 with --hosts)")
  var context: Int?
  @Option(help: "Simulated hosts. (default: 4)")
  var partitions: Int?
  @Option(help: "Processes that hold the cache, each with a part.")
  var hosts: Int?
  @Option(help: "With --hosts: kill this host (from 0) before it answers, to see what happens.")
  var killHost: Int?
  @Option(help: "Seed of everything random.")
  var seed: UInt64 = 1
  @Flag(help: "Print JSON.")
  var json = false

  func validate() throws {
    let names = KernelBackends.all.map(\.name)
    guard backend == "all" || names.contains(backend) else {
      throw ValidationError("--backend: found \(backend), expected all, \(names.joined(separator: ", "))")
    }
    try require("--context", context, in: 1...(1 << 30))
    try require("--partitions", partitions, in: 1...4096)
    try require("--hosts", hosts, in: 1...256)
    if let hosts {
      try require("--kill-host", killHost, in: 0...(hosts - 1))
      if backend != "all" || partitions != nil {
        throw ValidationError(
          "--hosts: each host computes its part on the CPU; --backend and --partitions do not apply")
      }
    } else if killHost != nil {
      throw ValidationError("--kill-host: needs --hosts")
    }
  }

  private func require(_ option: String, _ value: Int?, in range: ClosedRange<Int>) throws {
    if let value, !range.contains(value) {
      throw ValidationError("\(option): found \(value), expected \(range.lowerBound) … \(range.upperBound)")
    }
  }

  func run() throws {
    let (model, _) = try Machine.model(model, kvType: .model)
    try model.validate()
    guard (1...AttentionShape.maxHeadDim).contains(model.headDim) else {
      throw CommandFailure(
        .usage,
        "--model: heads of \(model.headDim) elements, the kernels take 1 … \(AttentionShape.maxHeadDim)")
    }
    let heads = AttentionShape(
      queryHeads: model.queryHeads, kvHeads: model.kvHeads, headDim: model.headDim)
    if let hosts {
      try HostsDemonstration(
        model: model, heads: heads, context: context ?? 65_536, hosts: hosts, killedHost: killHost, seed: seed
      ).run(json: json)
    } else {
      try validate(
        KernelValidation(heads: heads, context: context ?? 8192, hosts: partitions ?? 4, seed: seed), model)
    }
  }

  private func validate(_ validation: KernelValidation, _ model: ModelSpec) throws {
    try requireMemory(validation.memory, context: validation.context)
    var report = KernelReport(model: model.name, validation: validation)
    for backend in KernelBackends.all where self.backend == "all" || backend.name == self.backend {
      switch backend.availability {
      case .unavailable(let reason): report.missing.append((backend.name, reason))
      case .available(let device):
        if let refusal = validation.refusal(of: backend) {
          report.missing.append((backend.name, refusal))
          continue
        }
        let bandwidth = try backend.readBandwidth(runs: 5)
        report.devices.append((backend.name, device, bandwidth))
        report.rows += try validation.rows(of: backend) { step in
          if isatty(STDERR_FILENO) != 0 { writeToStandardError("\(step)\n") }
        }
      }
    }
    try writeToStandardOutput(json ? report.json.prettyText : report.text)
    let failures = report.rows.filter { !$0.verdict.isGood }.count
    if failures > 0 {
      throw CommandFailure(.runFailed, "\(failures) of \(report.rows.count) errors are above their bounds")
    }
    if report.rows.isEmpty {
      throw CommandFailure(
        .runFailed,
        "no backend ran: " + report.missing.map { "\($0.name): \($0.reason)" }.joined(separator: "; "))
    }
  }
}

/// Throws if a run would need more memory than the machine has, less a quarter for everything else.
func requireMemory(_ bytes: Int, context: Int) throws(CommandFailure) {
  let limit = Int(ProcessInfo.processInfo.physicalMemory / 4 * 3)
  if bytes > limit {
    throw CommandFailure(
      .usage,
      """
      --context: \(context) tokens need \(grouped(bytes >> 20)) MiB here, more than three quarters of this machine's \
      memory (\(grouped(limit >> 20)) MiB)
      """)
  }
}
