/// A policy returned what could never have been right. The run ends after that instant, and the answer is not acted on.
///
/// An order that was right by the planner's map and has become impossible since is no error: its source refuses it, and
/// the refusal is recorded (`DecisionRecord.Kind.moveRefused`).
public struct PolicyError: Error, Hashable, Sendable, CustomStringConvertible {
  /// The policy's name.
  public var policy: String
  /// What it returned.
  public var answer: Answer
  public var law: Law
  public var found: String
  public var expected: String
  /// When it was asked.
  public var time: SimTime

  package init(
    policy: String, answer: Answer, law: Law, found: String, expected: String, time: SimTime
  ) {
    (self.policy, self.answer, self.law) = (policy, answer, law)
    (self.found, self.expected, self.time) = (found, expected, time)
  }

  /// What a policy returns, by what it was asked for.
  public enum Answer: Hashable, Sendable, CustomStringConvertible {
    case route(RequestID, to: InstanceID)
    case loan(RequestID, home: InstanceID, [LoanPiece])
    case order(MoveOrder)

    public var description: String {
      switch self {
      case .route(let request, let instance):
        "routed request \(request.index) to instance \(instance.index)"
      case .loan(let request, let home, let pieces):
        "lent to request \(request.index) of instance \(home.index): "
          + (pieces.isEmpty
            ? "nothing"
            : pieces.map { "\($0.blocks.count) blocks of instance \($0.host.index)" }.joined(separator: ", "))
      case .order(let order):
        "ordered \(order.blocks.count) blocks of request \(order.request.index) from instance "
          + "\(order.source.index) to instance \(order.destination.index)"
      }
    }
  }

  /// What an answer must keep. A policy whose lending mode does not lend, or does not plan, is not asked.
  public enum Law: String, CaseIterable, Hashable, Sendable {
    case routeExists = "a request is routed to an instance of the cluster"

    case hostExists = "a host is an instance of the cluster"
    case hostIsNotHome = "a home does not lend to itself"
    case hostOnce = "a loan names each host once"
    case hostIsUp = "a host is up"
    case hostIsReached = "a host lends over a link that works"
    case hostHasBlocks = "a host lends at least one block, and only free ones"
    case hostHasNoQueue = "a host with waiting requests lends to requests larger than an instance only"
    case lendsAtLast = "when nothing else is left, a request that the cluster can hold is lent what it needs"
    case loanIsAsked = "a loan is between the least and the most that was asked for"

    case requestExists = "a move is of a request that has arrived"
    case endsExist = "a move goes between instances of the cluster"
    case endsDiffer = "a move has two ends"
    case movesBlocks = "a move takes at least one block"
    case sourceHolds = "by the planner's map the source has blocks of the request"
    case hostedGoesHome = "what a host has goes home and nowhere else"
    case noMoreThanHeld = "a move takes no more than the source has by the planner's map"
    case fits = "a move takes no more than an empty instance may take"
    case gainIsFinite = "what is expected of a move is a finite number"
    case oneRole = "in one round an instance is debtor or creditor, not both"
  }

  public var description: String {
    "policy \(policy): at \(time.picoseconds) ps it \(answer), but \(law.rawValue): found \(found), expected \(expected)"
  }
}
