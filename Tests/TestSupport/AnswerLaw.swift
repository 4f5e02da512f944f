import Policies
import Sim
import Torture

/// What a policy returns is checked: each way to lie ends the run with the error that names it, and what only came too
/// late does not.
public enum AnswerLaw {
  /// A policy that gives one wrong answer, and the law that this breaks.
  public struct Lie: Sendable, CustomStringConvertible {
    public let law: PolicyError.Law
    /// How it lies.
    public let description: String
    let makeCase: @Sendable () -> Case

    /// What ends its run.
    /// - Throws: what is no `PolicyError`.
    public func error() throws -> PolicyError? {
      let told = makeCase()
      do {
        _ = try Simulation(told.configuration, policy: told.policy).run(ArraySource(told.requests))
        return nil
      } catch let error as PolicyError { return error }
    }
  }

  struct Case {
    var policy: Liar
    var configuration = WorkedExample.cluster(instances: 3, blocks: 10)
    /// One prompt that its home holds and that decodes for long.
    var requests = [WorkedExample.request(0, 16, 20)]
  }

  /// - Throws: `LawViolation` if a lie is not found out.
  public static func check() throws {
    for lie in lies {
      let error = try lie.error()
      guard error?.law == lie.law, error?.policy == "liar" else {
        throw LawViolation(
          law: "a wrong answer of a policy ends the run with an error that names the law", seed: 0,
          details: "\(lie): \(lie.law), found \(error.map { "\($0)" } ?? "no error")")
      }
    }
    for law in PolicyError.Law.allCases where !lies.contains(where: { $0.law == law }) {
      throw LawViolation(law: "every law of answers is tried", seed: 0, details: "\(law)")
    }
  }

  /// Every way to lie, hostile numbers included.
  public static let lies: [Lie] = routeLies + loanLies + orderLies

  // MARK: - Routes

  private static var routeLies: [Lie] {
    [-1, 3, .max, .min].map { id in
      Lie(law: .routeExists, description: "routes to instance \(id) of 3") {
        Case(policy: Liar(route: InstanceID(id)))
      }
    }
  }

  // MARK: - Loans

  /// A prompt of 15 blocks at home 0, which has 10: 9 are asked for, 4 of them for its first tokens.
  private static func loan(
    _ law: PolicyError.Law, _ description: String, nodes: [Int] = [0, 0, 0], faults: [TimedFault] = [],
    _ pieces: [(host: Int, blocks: Int)]
  ) -> Lie {
    Lie(law: law, description: description) {
      var told = Case(
        policy: Liar(lend: { _ in
          pieces.map { LoanPiece(host: InstanceID($0.host), blocks: KVBlocks($0.blocks)) }
        }))
      told.configuration.topology.nodeOfInstance = nodes
      told.configuration.faults.timed = faults
      told.requests = [WorkedExample.request(0, 60, 2)]
      return told
    }
  }

  private static var loanLies: [Lie] {
    [-1, 3, .max, .min].map { loan(.hostExists, "borrows from instance \($0) of 3", [($0, 5)]) } + [
      loan(.hostIsNotHome, "borrows from the home", [(0, 5)]),
      loan(.hostOnce, "names a host twice", [(1, 2), (1, 3)]),
      loan(
        .hostIsUp, "borrows from a crashed host",
        faults: [TimedFault(.crash(InstanceID(2)), start: .zero)], [(2, 5)]),
      loan(
        .hostIsReached, "borrows over a lost link", nodes: [0, 0, 1],
        faults: [TimedFault(.linkLoss(LinkEnds(from: 1)), start: .zero)], [(2, 5)]),
      loan(.loanIsAsked, "lends too little", [(1, 8)]),
      loan(.loanIsAsked, "lends too much", [(1, 5), (2, 5)]),
      loan(.loanIsAsked, "lends nothing of no host", []),
      Lie(law: .lendsAtLast, description: "lends to nobody") {
        var told = Case(policy: Liar())
        told.requests = [WorkedExample.request(0, 60, 2)]
        return told
      },
      Lie(law: .hostHasNoQueue, description: "borrows where a request waits") {
        var told = Case(
          policy: Liar(lend: { ask in
            ask.home == InstanceID(0) ? [LoanPiece(host: InstanceID(1), blocks: ask.minimum)] : nil
          }))
        // Homes 0, 1, 2, 0, 1: of 10 blocks 9 are taken at 0, where 3 are wanted, and 6 at 1, where 7 are.
        told.requests = [36, 24, 1, 12, 28].map { WorkedExample.request(0, $0, 20) }
        return told
      },
    ]
      + [0, -1, 11, .max, .min].map {
        loan(.hostHasBlocks, "borrows \($0) of 10 blocks", [(1, $0)])
      }
  }

  // MARK: - Orders

  /// One order, as soon as request 0 has `least` blocks on instance `shown`; those of `before` until then, from when it
  /// decodes.
  private static func order(
    _ law: PolicyError.Law, _ description: String, request: Int = 0, from source: Int = 0,
    to destination: Int = 1,
    blocks: Int = 1, when least: Int = 1, on shown: Int = 0, before: [MoveOrder] = [], watermark: Int = 1,
    requests: [TraceRequest]? = nil, _ change: @escaping @Sendable (inout MoveOrder) -> Void = { _ in }
  ) -> Lie {
    Lie(law: law, description: description) {
      var told = Case(
        policy: Liar(plan: { map in
          let has = map.row(of: RequestID(0), on: InstanceID(shown))?.blocks.count ?? 0
          guard has >= least else {
            return map.row(of: RequestID(0), on: InstanceID(0)) == nil ? [] : before
          }
          var order = move(request, source, destination, blocks)
          change(&order)
          return [order]
        }))
      told.configuration.engine.watermarkPercent = watermark
      if let requests { told.requests = requests }
      return told
    }
  }

  /// An order that expects a gain of 1.
  public static func move(_ request: Int, _ source: Int, _ destination: Int, _ blocks: Int) -> MoveOrder {
    MoveOrder(
      request: RequestID(request), source: InstanceID(source), destination: InstanceID(destination),
      blocks: KVBlocks(blocks), expectedGain: 1)
  }

  private static var orderLies: [Lie] {
    // Request 1 comes when 0 has long ended.
    let late = [WorkedExample.request(0, 16, 20), WorkedExample.request(1_000_000_000, 1, 1)]
    var lies = [-1, 1, .max, .min].map {
      order(.requestExists, "moves request \($0) before it comes", request: $0, requests: late)
    }
    lies += [-1, 3, .max, .min].flatMap { id in
      [
        order(.endsExist, "moves to instance \(id) of 3", to: id),
        order(.endsExist, "moves from instance \(id) of 3", from: id),
      ]
    }
    lies.append(order(.endsDiffer, "moves to where it is", to: 0))
    lies += [0, -1, .min].map { order(.movesBlocks, "moves \($0) blocks", blocks: $0) }
    lies += [
      order(.sourceHolds, "moves from where nothing is", from: 1, to: 2),
      // 2 blocks go to instance 1; from there they may only come back.
      order(
        .hostedGoesHome, "moves from a host to another", from: 1, to: 2, on: 1, before: [move(0, 0, 1, 2)]),
      order(
        .noMoreThanHeld, "recalls more than the host has", from: 1, to: 0, blocks: 3, on: 1,
        before: [move(0, 0, 1, 2)]),
      // Admissions leave 5 of 10 blocks free.
      order(.fits, "moves more than fits", blocks: 6, when: 6, watermark: 50),
    ]
    lies += [9, 10, .max].map { order(.noMoreThanHeld, "moves \($0) blocks of 5", blocks: $0) }
    lies += [Double.nan, .infinity, -.infinity].flatMap { number in
      [
        order(.gainIsFinite, "expects a gain of \(number)") { $0.expectedGain = number },
        order(.gainIsFinite, "weighed a gain of \(number)") { $0.grounds = grounds(gain: number) },
        order(.gainIsFinite, "found a throughput of \(number)") { $0.grounds = grounds(before: number) },
        order(.gainIsFinite, "tried a candidate of \(number)") { $0.grounds = grounds(tried: number) },
      ]
    }
    lies.append(
      Lie(law: .oneRole, description: "lends to one and borrows from another in a round") {
        var told = Case(
          policy: Liar(plan: { map in
            let rows = (0..<2).map { map.row(of: RequestID($0), on: InstanceID($0)) }
            return rows.contains(nil) ? [] : [move(0, 0, 1, 1), move(1, 1, 2, 1)]
          }))
        told.requests = [WorkedExample.request(0, 16, 20), WorkedExample.request(0, 16, 20)]
        return told
      })
    return lies
  }

  private static func grounds(gain: Double = 1, before: Double = 1, tried: Double = 1) -> MoveGrounds {
    MoveGrounds(
      throughputBefore: before, gain: gain, sourceBatch: 1, sourceFreeBlocks: 1, sourceQueued: 0,
      destinationBatch: 0, destinationFreeBlocks: 1, candidates: [.init(blocks: 1, gain: tried)])
  }

  /// A policy that answers what it was told to. Otherwise it is vllm-m with a round robin.
  public final class Liar: SchedulingPolicy {
    public typealias Lend = (LoanRequest) -> [LoanPiece]?
    public typealias Plan = (borrowing PlacementMap) -> [MoveOrder]

    public let name = "liar"
    public var lending = LendingOptions()
    private let home: InstanceID?
    private let lender: Lend
    private let planner: Plan
    /// How often it was asked.
    public private(set) var loans = 0, rounds = 0

    public init(
      route: InstanceID? = nil, lend: @escaping Lend = { _ in nil }, plan: @escaping Plan = { _ in [] }
    ) {
      (home, lender, planner) = (route, lend, plan)
      lending.mode = .proactive
      lending.period = .microseconds(1)
      lending.cooldownPeriods = 0
    }

    public func route(_ request: RequestView, _ cluster: borrowing ClusterView) -> InstanceID {
      home ?? InstanceID(request.id.index % cluster.count)
    }
    public func lend(_ ask: LoanRequest, _ cluster: borrowing ClusterView) -> [LoanPiece]? {
      loans += 1
      return lender(ask)
    }
    public func plan(_ map: borrowing PlacementMap) -> [MoveOrder] {
      rounds += 1
      return planner(map)
    }
  }
}
