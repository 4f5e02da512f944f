import Sim

extension Torture {
  /// The smallest scenario found that breaks the same law: with fewer requests, faults and instances, and plainer options.
  ///
  /// Tries to leave out halves, quarters and so on of the requests, then of the faults, and the last instance, until
  /// nothing can be left out.
  public static func shrink(
    _ scenario: PolicyScenario, law: String, tries: Int = 2_000
  ) -> PolicyScenario {
    var smallest = scenario
    var left = tries
    func breaks(_ candidate: PolicyScenario) -> Bool {
      guard left > 0 else { return false }
      left -= 1
      do {
        _ = try check(candidate, alsoStepByStep: law == "skip-ahead changes nothing")
        return false
      } catch {
        return LawViolation(error, seed: candidate.seed).law == law
      }
    }
    var changed = true
    while changed, left > 0 {
      changed = false
      for candidate in plainer(smallest) where breaks(candidate) {
        smallest = candidate
        changed = true
        break
      }
    }
    return smallest
  }

  /// Scenarios with a little less, those that lack most first.
  private static func plainer(_ scenario: PolicyScenario) -> [PolicyScenario] {
    var candidates: [PolicyScenario] = []
    func add(_ change: (inout PolicyScenario) -> Void) {
      var candidate = scenario
      change(&candidate)
      candidates.append(candidate)
    }
    for range in parts(of: scenario.requests.count) where range.count < scenario.requests.count {
      add {
        $0.requests.removeSubrange(range)
        if !$0.sharing.hashes.isEmpty { $0.sharing.hashes.removeSubrange(range) }
      }
    }
    for range in parts(of: scenario.configuration.faults.timed.count) {
      add { $0.configuration.faults.timed.removeSubrange(range) }
    }
    for range in parts(of: scenario.configuration.faults.random.count) {
      add { $0.configuration.faults.random.removeSubrange(range) }
    }
    if scenario.configuration.engine.prefixCaching {
      add {
        $0.configuration.engine.prefixCaching = false
        $0.sharing = Sharing()
      }
    }
    if scenario.configuration.managers != ProtocolOptions() {
      add { $0.configuration.managers = ProtocolOptions() }
    }
    let last = scenario.configuration.topology.count - 1
    if last > 0, scenario.configuration.topology.spans == nil {
      add {
        $0.configuration.topology.nodeOfInstance.removeLast()
        $0.configuration.faults.timed.removeAll { $0.fault.concerns(last) }
        $0.configuration.faults.random.removeAll { $0.fault.concerns(last) }
      }
    }
    return candidates
  }

  /// Halves of 0 ..< `count`, then quarters, and so on.
  private static func parts(of count: Int) -> [Range<Int>] {
    var ranges: [Range<Int>] = []
    var size = (count + 1) / 2
    while size > 0 {
      for start in stride(from: 0, to: count, by: size) { ranges.append(start..<min(start + size, count)) }
      size = size == 1 ? 0 : (size + 1) / 2
    }
    return ranges
  }
}

extension Fault {
  /// Whether a fault cannot be without instance `last`: its own, or of nodes, which might go with it.
  fileprivate func concerns(_ last: Int) -> Bool {
    switch self {
    case .crash(let id), .straggler(let id, _), .memoryShrink(let id, _): id.index == last
    case .nodeLoss, .linkLoss, .linkSlowdown: true
    case .managerCrash: false
    }
  }
}
