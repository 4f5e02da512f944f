import Policies
import Sim
import Torture

/// Nobody is preempted over and over without getting on, where instances lend. It is judged from the event log, and by no rule
/// of the engine or the oracle.
public enum ProgressLaw {
  private static let leastTokens = Progress.leastTokens
  private static let longestChain = Progress.longestChain

  /// Returns what the scenario of `seed` went through.
  /// - Throws: `LawViolation`.
  public static func check(_ scenarios: PolicyScenarios, seed: UInt64) throws -> [Sight] {
    let scenario = try scenarios.scenario(seed: seed)
    let log = ProgressLog()
    _ = try Trial.simulate(
      scenario.configuration, policy: scenario.makePolicy(),
      source: SharingSource(scenario.requests, scenario.sharing), observer: log)
    let longest = log.chains.max { ($0.value.longest, -$0.key) < ($1.value.longest, -$1.key) }
    if let (id, chain) = longest, chain.longest > longestChain, try scenario.makePolicy().lending.mode.borrows
    {
      throw LawViolation(
        law:
          "nobody is preempted more than \(longestChain) times in a row with fewer than \(leastTokens) new tokens",
        seed: seed,
        details: "request \(id) \(chain.longest) times, at last at \(chain.lastAt) ps (\(chain.lastReason)); "
          + scenario.replay)
    }
    return [
      Sight("preempt twice with few new tokens between", floor: 5, (longest?.value.longest ?? 0) > 1),
      Sight("preempt three times so", floor: 1, (longest?.value.longest ?? 0) > 2),
    ]
  }
}

/// Counts the tokens that requests make between preemptions.
///
/// A request decodes from its first token, or from the token that ends a recompute, until it is preempted or ends, and
/// makes a token in every decode step of its home meanwhile.
final class ProgressLog: RunObserver {
  struct Chain {
    var length = 0, longest = 0
    /// Tokens made since the last preemption; none before the first, which starts a chain whatever came before it.
    var tokens = Int.max
    var lastAt: Int64 = 0
    var lastReason = ""
  }

  private(set) var chains: [Int: Chain] = [:]
  /// Home of every request that decodes.
  private var decoding: [Int: InstanceID] = [:]

  var watchesAll: Bool { true }

  func requestEnded(_ record: RequestRecord) {
    decoding[record.id.index] = nil
  }

  func changed(_ change: RequestChange) {
    let id = change.request.index
    switch change.kind {
    case .firstToken, .resumed:
      decoding[id] = change.instance
      made(1, id)
    case .preempted:
      decoding[id] = nil
    default: break
    }
  }

  func worked(_ work: WorkRecord) {
    guard work.decoding > 0 else { return }
    for (id, home) in decoding where home == work.instance { made(work.steps, id) }
  }

  func decided(_ decision: DecisionRecord) {
    guard decision.kind == .preempt else { return }
    var chain = chains[decision.request.index] ?? Chain()
    chain.length = chain.tokens < Progress.leastTokens ? chain.length + 1 : 1
    if chain.length > chain.longest {
      chain.longest = chain.length
      chain.lastAt = decision.time.picoseconds
      chain.lastReason = decision.reason
    }
    chain.tokens = 0
    chains[decision.request.index] = chain
  }

  private func made(_ tokens: Int, _ id: Int) {
    guard let chain = chains[id], chain.tokens < Int.max else { return }
    chains[id]?.tokens = chain.tokens + tokens
  }
}
