import Policies
import Sim
import TestSupport
import Testing

/// What a policy returns is checked by the engine (`SimulationState+Policy.swift`).
@Suite struct AnswerTests {
  @Test(arguments: AnswerLaw.lies)
  func
    `A wrong answer ends the run with an error that names policy, answer, law, what was found and what expected`(
      lie: AnswerLaw.Lie
    ) throws
  {
    let error = try #require(try lie.error())
    #expect(error.law == lie.law && error.policy == "liar")
    let text = "\(error)"
    #expect(
      text.hasPrefix(
        "policy liar: at \(error.time.picoseconds) ps it \(error.answer), but \(lie.law.rawValue): "))
    #expect(text.hasSuffix("found \(error.found), expected \(error.expected)"))
  }

  @Test func `Every law of answers is broken by some lie, and no lie is missed`() throws {
    try AnswerLaw.check()
  }

  @Test func `The texts are sentences`() throws {
    func text(_ description: String) throws -> String {
      let lie = try #require(AnswerLaw.lies.first { $0.description == description })
      let error = try #require(try lie.error())
      return "\(error)"
    }
    #expect(
      try text("routes to instance 3 of 3")
        == "policy liar: at 0 ps it routed request 0 to instance 3, but a request is routed to an instance of the "
        + "cluster: found instance 3, expected 0 to 2")
    #expect(
      try text("names a host twice")
        == "policy liar: at 0 ps it lent to request 0 of instance 0: 2 blocks of instance 1, 3 blocks of instance 1, but "
        + "a loan names each host once: found instance 1 twice, expected once")
    #expect(
      try text("moves to where it is")
        == "policy liar: at 2000000 ps it ordered 1 blocks of request 0 from instance 0 to instance 0, but a move has two "
        + "ends: found instance 0 as both, expected two instances")
  }

  /// Records what became of orders.
  private final class Witness: RunObserver {
    var refused: [DecisionRecord] = []
    var kinds: [ProtocolRecord.Kind] = []
    var completed = 0
    func requestEnded(_ record: RequestRecord) { completed += record.outcome == .completed ? 1 : 0 }
    func decided(_ decision: DecisionRecord) {
      if decision.kind == .moveRefused { refused.append(decision) }
    }
    func managed(_ record: ProtocolRecord) { kinds.append(record.kind) }
  }

  private func run(
    _ policy: AnswerLaw.Liar, _ change: (inout SimulationConfiguration) -> Void = { _ in }
  ) throws -> Witness {
    var configuration = WorkedExample.cluster(instances: 3, blocks: 10)
    change(&configuration)
    let witness = Witness()
    _ = try Simulation(configuration, policy: policy, observer: witness)
      .run(ArraySource([WorkedExample.request(0, 16, 20)]))
    return witness
  }

  @Test func `An order that another of the same round has made impossible is refused and recorded`() throws {
    let witness = try run(
      AnswerLaw.Liar(plan: { map in
        guard map.row(of: RequestID(0), on: InstanceID(0))?.movable == KVBlocks(4) else { return [] }
        return [AnswerLaw.move(0, 0, 1, 4), AnswerLaw.move(0, 0, 2, 4)]
      }))
    #expect(witness.completed == 1 && witness.kinds.contains(.landed) && witness.kinds.contains(.stale))
    #expect(witness.refused.first?.destination == InstanceID(2))
    #expect(witness.refused.first?.reason == "the source has not so many blocks of it to move now")
  }

  @Test func `An order for what has ended since the heartbeat is refused and recorded`() throws {
    // Heartbeats and orders take 3 µs each, as long as three steps.
    let witness = try run(
      AnswerLaw.Liar(plan: { map in
        map.row(of: RequestID(0), on: InstanceID(0)) == nil ? [] : [AnswerLaw.move(0, 0, 1, 1)]
      })
    ) { $0.managers.delay = .microseconds(3) }
    #expect(witness.completed == 1 && witness.kinds.contains(.stale) && !witness.refused.isEmpty)
  }

  @Test(arguments: LendingMode.allCases)
  func `A policy is asked only for what its mode does`(mode: LendingMode) throws {
    let policy = AnswerLaw.Liar(
      lend: { $0.isGrowth ? nil : [LoanPiece(host: InstanceID(2), blocks: $0.minimum)] })
    policy.lending.mode = mode
    _ = try Simulation(WorkedExample.cluster(instances: 3, blocks: 10), policy: policy)
      .run(ArraySource([WorkedExample.request(0, 60, 8), WorkedExample.request(0, 8, 8)]))
    #expect((policy.loans > 0) == [.passive, .proactive].contains(mode))
    #expect((policy.rounds > 0) == [.proactive, .plannerOnly].contains(mode))
  }
}
