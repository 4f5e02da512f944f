import Runs
import Formatting
import ArgumentParser
import Results
import Sim

/// How much a run lends: counted from its decisions, in a run of its own that is not timed.
package final class BenchLending: RunObserver {
  package private(set) var requests = 0
  package private(set) var giants = 0
  package private(set) var borrowedBlocks = 0
  private(set) var landedMoves = 0
  private(set) var fingerprint = ""
  private let instanceTokens: Int

  private init(instanceTokens: Int) { self.instanceTokens = instanceTokens }

  /// What `run` is asked for.
  private struct Arguments: ParsableArguments {
    @Option var policy: String
    @OptionGroup var options: RunOptions
    @OptionGroup var execution: ExecutionOptions
  }

  /// Runs `arguments` (of `run`) in this process.
  package static func count(_ arguments: [String]) throws -> BenchLending {
    let asked = try Arguments.parse(arguments)
    let pairs = try OptionPairs(asked.options.optionArguments)
    let plan = try RunPlan.make(policy: asked.policy, options: asked.options, pairs: pairs, scope: .itself)
    let lending = BenchLending(instanceTokens: plan.blocksPerInstance * EngineOptions().blockSize)
    let workload = try Workload.load(asked.options, seed: asked.options.seed)
    lending.fingerprint = try plan.simulate(try workload.open(), lending, nil).fingerprint
    return lending
  }

  package func requestEnded(_ record: RequestRecord) {
    requests += 1
    if record.prompt + record.output > instanceTokens { giants += 1 }
  }

  package func decided(_ decision: DecisionRecord) {
    switch decision.kind {
    case .borrow: borrowedBlocks += decision.blocks
    case .landed: landedMoves += 1
    default: break
    }
  }

  var json: JSON {
    [
      "requests": .int(requests), "larger_than_an_instance": .int(giants),
      "borrowed_blocks": .int(borrowedBlocks), "landed_moves": .int(landedMoves),
    ]
  }

  /// Throws unless the case is what it says: at least 5 % of the requests above an instance's memory, 100,000 blocks
  /// borrowed, 50 moves landed.
  package func requireFloors(_ name: String) throws(CommandFailure) {
    guard giants * 20 >= requests, borrowedBlocks >= 100_000, landedMoves >= 50 else {
      throw CommandFailure(
        .runFailed,
        "\(name): \(grouped(giants)) of \(grouped(requests)) requests above an instance's memory, "
          + "\(grouped(borrowedBlocks)) blocks borrowed, \(grouped(landedMoves)) moves landed; "
          + "expected 5 %, 100,000 and 50: no time counts")
    }
  }
}
