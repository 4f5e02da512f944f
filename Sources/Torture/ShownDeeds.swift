import Policies
import Sim

extension PolicyDeeds {
  /// What a decision shows that the policy does; nothing if it may be of any policy's run.
  package init(shownBy kind: DecisionRecord.Kind) {
    switch kind {
    case .borrow: self = .lends
    case .move, .moveRefused, .moveAborted, .landed, .recall: self = .plans
    case .steal: self = .steals
    case .preempt, .reject, .reserve, .lost, .restart: self = []
    }
  }

  /// The law that a policy is held to.
  package static var law: String { "a policy does only what its catalogue entry declares (`does`)" }
}
