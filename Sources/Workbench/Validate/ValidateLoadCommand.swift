import Runs
import ArgumentParser
import Formatting
import Foundation
import Policies
import Sim
import Synchronization

/// `infinite-sim validate load`: how often the label of the load is right, on queues of which it is known.
struct ValidateLoadCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "load", abstract: "Try the label of the load on queues whose load is known.",
    discussion: """
      Poisson arrivals at one instance whose steps all take a millisecond, on the chunked engine: a request with n output \
      tokens takes n of them. M/M/1 and M/D/1 are one sequence slot and outputs that are exponential with a mean of 100 \
      tokens, or always 100; the batches are 8 or 32 slots. ρ is the work that arrives over what all slots can do. A \
      verdict is false if it is `overloaded` below ρ = 1 or `stable` or `saturated` above. Exit code 1 if, over all that \
      is asked for, false ones are more than 2 % of a cell at ρ ≤ 0.9 or ≥ 1.1, or undecided ones more than 10 % at \
      ρ ≤ 0.8 or ≥ 1.2 with 5,000 requests or more (docs/load.md).
      """)

  @Option(help: "Seeds of each cell.")
  var seeds = 200
  @Option(parsing: .upToNextOption, help: "Requests of a run.")
  var requests = [100, 200, 500, 1_000, 2_000, 5_000, 20_000]
  @Option(help: "Simulations at a time. (default: one per core)")
  var jobs: Int?

  mutating func validate() throws {
    guard (1...10_000).contains(seeds) else {
      throw ValidationError("--seeds is \(seeds), expected 1 to 10000.")
    }
    guard requests.allSatisfy({ (1...1_000_000).contains($0) }) else {
      throw ValidationError("--requests: expected 1 to 1000000 each.")
    }
    guard jobs.map({ (1...1024).contains($0) }) ?? true else {
      throw ValidationError("--jobs: expected 1 to 1024.")
    }
  }

  func run() throws {
    var cells: [Cell] = []
    for queue in KnownQueue.all {
      for load in KnownQueue.loads {
        cells += requests.map { Cell(number: 0, queue: queue, load: load, requests: $0) }
      }
    }
    for index in cells.indices { cells[index].number = index }
    let found = Mutex<[Int: Tally]>([:])
    let seeds = seeds
    try forEachInParallel(cells, jobs: jobs ?? ProcessInfo.processInfo.activeProcessorCount) { cell in
      var tally = Tally()
      for seed in 0..<seeds {
        tally.add(try cell.queue.judge(load: cell.load, requests: cell.requests, seed: UInt64(seed)))
      }
      found.withLock { $0[cell.number] = tally }
    }
    let tallies = found.withLock { $0 }
    let results = cells.map { (cell: $0, tally: tallies[$0.number]!) }
    try writeToStandardOutput(table(results) + "\n" + summary(results))
    if results.contains(where: { $0.cell.isWrong($0.tally) }) { throw ExitCode(1) }
  }

  private func table(_ results: [(cell: Cell, tally: Tally)]) -> String {
    let rows = KnownQueue.all.flatMap { queue in
      KnownQueue.loads.map { load in
        [queue.name, String(format: "%.2f", load)]
          + results.filter { $0.cell.queue == queue && $0.cell.load == load }.map { $0.tally.text }
      }
    }
    return markdownTable([["queue", "ρ"] + requests.map { "\(grouped($0)) requests" }] + rows)
  }

  private func summary(_ results: [(cell: Cell, tally: Tally)]) -> String {
    let judged = results.filter(\.cell.mayNotErr)
    let clear = results.filter(\.cell.mustDecide)
    let worst = judged.map { $0.tally.share($0.cell.isFalse) }.max() ?? 0
    let undecided = clear.map { $0.tally.share { $0 == .undecided } }.max()
    return "Percent stable or saturated / undecided / overloaded of \(grouped(seeds)) seeds. "
      + "False at ρ ≤ 0.9 or ≥ 1.1: at most \(percent(worst)) of a cell"
      + (undecided.map { "; undecided at ρ ≤ 0.8 or ≥ 1.2 from 5,000 requests on: at most \(percent($0))" }
        ?? "") + ".\n"
  }

  private struct Cell: Sendable {
    var number: Int
    var queue: KnownQueue
    var load: Double
    var requests: Int

    var mayNotErr: Bool { load <= 0.9 || load >= 1.1 }
    var mustDecide: Bool { (load <= 0.8 || load >= 1.2) && requests >= 5_000 }

    func isFalse(_ label: LoadLabel) -> Bool {
      switch label {
      case .overloaded: load < 1
      case .stable, .saturated: load > 1
      case .undecided, .backlog: false
      }
    }

    func isWrong(_ tally: Tally) -> Bool {
      mayNotErr && tally.share(isFalse) > 0.02 || mustDecide && tally.share { $0 == .undecided } > 0.1
    }
  }

  private struct Tally: Sendable {
    private var counts: [LoadLabel: Int] = [:]

    mutating func add(_ label: LoadLabel) { counts[label, default: 0] += 1 }

    func share(_ isCounted: (LoadLabel) -> Bool) -> Double {
      let counted = counts.reduce(0) { $0 + (isCounted($1.key) ? $1.value : 0) }
      return Double(counted) / Double(counts.reduce(0) { $0 + $1.value })
    }

    var text: String {
      [
        share { $0 == .stable || $0 == .saturated }, share { $0 == .undecided || $0 == .backlog },
        share { $0 == .overloaded },
      ]
      .map { trimmed(($0 * 1_000).rounded() / 10) }.joined(separator: " / ")
    }
  }
}

/// A queue of which theory says whether it keeps up.
struct KnownQueue: Hashable, Sendable {
  var name: String
  /// Requests served at once.
  var slots: Int
  /// Exponential outputs; else all are alike.
  var isRandom: Bool

  static let all = [
    KnownQueue(name: "M/M/1", slots: 1, isRandom: true), KnownQueue(name: "M/D/1", slots: 1, isRandom: false),
    KnownQueue(name: "batch of 8, exponential", slots: 8, isRandom: true),
    KnownQueue(name: "batch of 8, constant", slots: 8, isRandom: false),
    KnownQueue(name: "batch of 32, exponential", slots: 32, isRandom: true),
  ]
  static let loads = [0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1, 1.05, 1.1, 1.2, 1.3, 1.4, 1.5]

  /// Of the outputs, tokens.
  private static let mean = 100.0
  private static let step: Int64 = 1_000_000_000

  /// The label of one run.
  func judge(load: Double, requests: Int, seed: UInt64) throws -> LoadLabel {
    let gaps = RandomStream(seed: seed, name: "gaps")
    let outputs = RandomStream(seed: seed, name: "outputs")
    let meanGap = Self.mean * Double(Self.step) / (load * Double(slots))
    var clock: Int64 = 0
    let trace = (0..<requests).map { index in
      if index > 0 { clock += Int64(-Elementary.ln(gaps.unit(entity: index, ordinal: 0)) * meanGap) }
      let output =
        isRandom
        ? max(1, (-Elementary.ln(outputs.unit(entity: index, ordinal: 0)) * Self.mean).rounded()) : Self.mean
      return TraceRequest(arrival: SimTime(picoseconds: clock), prompt: 1, output: Int(output))
    }
    var engine = EngineOptions()
    engine.kind = .chunked
    engine.maxNumSeqs = slots
    let link = LinkCosts(latency: 0, bytesPerSecond: 1)
    let configuration = SimulationConfiguration(
      topology: InstanceTopology(nodeOfInstance: [0], withinNode: link, acrossNodes: link, gpus: 1),
      costs: InstanceCosts(
        stages: 1, ranks: 1, layersPerStage: 1, hostBase: Self.step, hostPerSequence: 0, decodeFloor: 0,
        contextRate: 0, prefillFloor: 0, prefillTokenRate: 0, prefillPairRate: 0, linear: { _ in 0 }),
      // Memory never limits: 32 outputs, each of at most 37 means (2^-53), take 7,400 blocks.
      blocksPerInstance: 8_192, engine: engine)
    let summary = try Simulation(configuration, policy: VLLMMultiple(router: .roundRobin)).run(
      ArraySource(trace))
    guard let load = summary.load else { preconditionFailure("every request completes") }
    return load.label
  }
}
