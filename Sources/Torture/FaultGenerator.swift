import Sim

/// What happens in a scenario without faults: when blocks are lent, and while they are moved.
struct FaultMoments {
  var loans: [SimTime] = []
  var moves: [Range<SimTime>] = []
}

/// Draws what goes wrong in a scenario: a few faults of every kind, some of which overlap, begin in one instant, or never
/// end. Times are multiples of one unit, so that faults often meet the ends of steps and arrivals.
struct FaultGenerator {
  /// The unit of all times, ps.
  var unit: Int64

  /// - Parameter moments: what happens without faults: many of them begin then.
  func plan(
    for scenario: PolicyScenario, moments: FaultMoments = FaultMoments(), _ random: inout SeededRandom
  ) -> FaultPlan {
    let topology = scenario.configuration.topology
    // Some backlog is left when the last request has come.
    let last = scenario.requests[scenario.requests.count - 1].arrival.picoseconds / unit + 2_000
    var plan = FaultPlan(seed: random.next())
    for _ in 0..<random.integer(2...6) {
      var kind = fault(topology, blocks: scenario.configuration.blocksPerInstance, &random)
      var start = unit * Int64(random.integer(0...Int(last)))
      if !moments.moves.isEmpty, random.chance(95) {
        let move = random.pick(moments.moves)
        let length = move.upperBound.picoseconds - move.lowerBound.picoseconds
        start = move.lowerBound.picoseconds + length * Int64(random.integer(0...9)) / 10
        if random.chance(40) { kind = .managerCrash }
      } else if !moments.loans.isEmpty, random.chance(70) {
        start = random.pick(moments.loans).picoseconds + unit / 2 * Int64(random.integer(0...4))
      }
      let length = unit * Int64(random.pick([1, 20, 200, 200, 1_000, 4_000]))
      plan.timed.append(
        TimedFault(
          kind, start: SimTime(picoseconds: start),
          end: random.chance(10) ? nil : SimTime(picoseconds: start + length)))
    }
    for _ in 0..<random.pick([0, 0, 0, 1, 2]) {
      plan.random.append(
        RandomFault(
          fault(topology, blocks: scenario.configuration.blocksPerInstance, &random),
          meanBetween: SimDuration(picoseconds: unit * Int64(random.integer(200...2_000))),
          meanRepair: SimDuration(picoseconds: unit * Int64(random.integer(20...500))),
          last: SimTime(picoseconds: unit * last)))
    }
    return plan
  }

  /// How the managers' messages travel: in `late` percent of the scenarios they take time and may be lost, doubled or
  /// overtaken.
  func managers(_ random: inout SeededRandom, late: Int = 50) -> ProtocolOptions {
    var managers = ProtocolOptions()
    managers.seed = random.next()
    guard random.chance(late) else { return managers }
    managers.delay = SimDuration(picoseconds: unit * Int64(random.pick([1, 10, 20, 40, 100])))
    managers.jitter = SimDuration(picoseconds: unit * Int64(random.pick([0, 0, 5, 40])))
    managers.lossPermille = random.pick([0, 0, 20, 200])
    managers.duplicatePermille = random.pick([0, 800, 300, 900])
    managers.reorderPermille = random.pick([0, 100, 300, 300])
    managers.fullHeartbeatEvery = random.pick([1, 3, 10])
    managers.tryRetries = random.integer(0...2)
    if random.chance(30) { managers.reservationExpiry = managers.delay * 2 }
    return managers
  }

  private func fault(
    _ topology: InstanceTopology, blocks: Int, _ random: inout SeededRandom
  ) -> Fault {
    let instance = InstanceID(random.integer(0...topology.count - 1))
    let nodes = 0...topology.nodeOfInstance.max()!
    let node = random.integer(nodes)
    let ends = LinkEnds(
      from: node, to: random.chance(50) ? nil : random.integer(nodes),
      isOneWay: random.chance(40))
    switch random.integer(0...99) {
    case 0..<40: return .crash(instance)
    case 40..<50: return .nodeLoss(node)
    case 50..<60: return .linkLoss(ends)
    case 60..<68: return .linkSlowdown(ends, permille: random.pick([1_000, 1_500, 7_000, 100_000]))
    case 68..<80: return .managerCrash
    case 80..<86: return .straggler(instance, permille: random.pick([1_000, 1_001, 1_337, 3_000]))
    default: return .memoryShrink(instance, blocks: random.integer(1...blocks))
    }
  }
}
