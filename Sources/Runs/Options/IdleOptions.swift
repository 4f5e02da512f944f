import Policies
import Sim

/// Settings given with `--option` that change nothing in this run.
struct IdleOptions {
  var policy: String
  var lending: LendingOptions
  var engine: EngineKind
  var instances: Int
  /// Several policies share the options: what one that never lends makes nothing of is meant for the others.
  var isShared: Bool

  /// A sentence for each group of them.
  func warnings(_ pairs: OptionPairs) -> [String] {
    rules.compactMap { keys, reason in
      let given = keys.filter { pairs.values[$0] != nil }
      guard !given.isEmpty else { return nil }
      return "--option \(given.joined(separator: ", ")): without effect \(reason)"
    }
  }

  /// Keys and why they say nothing.
  private var rules: [(keys: [String], reason: String)] {
    var rules: [([String], String)] = [
      engine == .chunked
        ? (["watermark", "append-check", "over-budget", "padded"], "under --engine chunked")
        : (["chunked-watermark", "reserve-isl"], "under --engine vllm-v0")
    ]
    if isShared, PolicyCatalog[policy]?.does.contains(.lends) != true { return rules }
    let isPlanned = lending.mode == .proactive || lending.mode == .plannerOnly
    let managers = ManagerOption.all.map(\.key)
    if instances == 1 {
      rules.append((Self.borrowing + Self.planning + managers, "on one instance"))
    } else if lending.mode == .off {
      rules.append((Self.borrowing + Self.planning + managers, "as \(policy) does not lend here"))
    } else if !isPlanned {
      rules.append((Self.planning + managers, "with lending=\(lending.mode.rawValue): nobody plans moves"))
    } else if !lending.mode.borrows {
      rules.append((Self.borrowing, "with lending=\(lending.mode.rawValue): nobody borrows"))
    }
    return rules
  }

  /// What only those use who borrow, and what only the planner uses.
  private static let borrowing = ["borrow-chunk", "placement", "reserve-giants", "share-from"]
  private static let planning = [
    "beta-threshold", "min-gain", "cooldown", "period", "move-tokens-per-step",
  ]
}
