import Sim

/// Which requests a run replayed.
public enum HeatKind: String, Hashable, Sendable {
  /// All of the trace.
  case whole
  /// Those that all contenders of a comparison complete.
  case common

  /// The words for it in tables.
  public var words: String {
    switch self {
    case .whole: "whole trace"
    case .common: "common trace"
    }
  }
}

/// What a run's costs rest on.
public struct RunBasis: Hashable, Sendable {
  /// `nil` of a run by an older program that cannot be told.
  public var costs: CostBasis?
  /// What of the costs no measurement supports, one sentence each.
  public var unvalidated: [String]
  /// The longest prompt and the longest context that were measured, tokens; `nil` where the costs have no range, as bounds
  /// have none.
  public var measuredPrompt, measuredContext: Int?

  public init(
    costs: CostBasis? = nil, unvalidated: [String] = [], measuredPrompt: Int? = nil,
    measuredContext: Int? = nil
  ) {
    (self.costs, self.unvalidated) = (costs, unvalidated)
    (self.measuredPrompt, self.measuredContext) = (measuredPrompt, measuredContext)
  }

  /// The basis of costs that were measured in a range.
  public init(costs: CostBasis, unvalidated: [String], measured: MeasuredRange) {
    func bound(_ tokens: Int) -> Int? { tokens == .max ? nil : tokens }
    self.init(
      costs: costs, unvalidated: unvalidated, measuredPrompt: bound(measured.prefill),
      measuredContext: bound(measured.decodeContext))
  }

  /// The longest served prompt or context over the longest measured, whichever is more: above 1 costs are extrapolated.
  /// `nil` if nothing was served or nothing has a range.
  public func overMeasured(_ longest: LongestRequests) -> Double? {
    let shares = [(longest.prompt, measuredPrompt), (longest.context, measuredContext)]
      .compactMap { served, measured in
        served > 0 ? measured.map { Double(served) / Double($0) } : nil
      }
    return shares.max()
  }

  /// One sentence for each measured range that requests left.
  public func extrapolations(_ longest: LongestRequests) -> [String] {
    MeasuredRange(
      tokens: 1...(.max), decodeContext: measuredContext ?? .max, prefill: measuredPrompt ?? .max
    ).extrapolations(decodeContext: longest.context, prefill: longest.prompt)
  }
}

/// A run's basis in a word or two, for tables.
public struct BasisMark: Hashable, Sendable {
  public var costs: CostBasis?
  /// How many of the costs no measurement supports.
  public var unvalidated: Int
  /// The longest served over the longest measured; `nil` if that is at most 1 or unknown.
  public var extrapolated: Double?

  public init(costs: CostBasis?, unvalidated: Int, overMeasured: Double?) {
    (self.costs, self.unvalidated) = (costs, unvalidated)
    extrapolated = overMeasured.flatMap { $0 > 1 ? $0 : nil }
  }

  /// The mark of a stored summary.
  public init(summary: JSON) {
    let basis = summary["basis"]
    self.init(
      costs: basis?["costs"]?.string.flatMap(CostBasis.init),
      unvalidated: basis?["unvalidated"]?.integer ?? 0,
      overMeasured: basis?["over_measured"]?.number)
  }

  /// "fits", "fits, 2 unvalidated, extrapolated 12.2×", "data-sheet".
  public var text: String {
    var parts = [costs?.rawValue ?? "unknown"]
    if unvalidated > 0 { parts.append("\(unvalidated) unvalidated") }
    if let extrapolated { parts.append("extrapolated \((extrapolated * 100).rounded() / 100)×") }
    return parts.joined(separator: ", ")
  }

  /// What the marks mean.
  public static let legend =
    "Rests on: fits = fitted to measurements; data-sheet = bounds that no engine reaches; N unvalidated = costs that no "
    + "measurement supports; extrapolated N× = the longest prompt or context is N times the longest measured."

  /// What tells the bases of runs that stand beside each other apart: "data-sheet and fits", "3 of 4 extrapolated"; `nil` if
  /// nothing does. For headings.
  public static func difference(_ marks: [BasisMark]) -> String? {
    var parts: [String] = []
    let costs = Set(marks.map { $0.costs?.rawValue ?? "unknown" }).sorted()
    if costs.count > 1 { parts.append(costs.joined(separator: " and ")) }
    let unvalidated = Set(marks.map(\.unvalidated))
    if let least = unvalidated.min(), let most = unvalidated.max(), least < most {
      parts.append("\(least) to \(most) unvalidated costs")
    }
    let extrapolated = marks.count { $0.extrapolated != nil }
    if extrapolated > 0, extrapolated < marks.count {
      parts.append("\(extrapolated) of \(marks.count) extrapolated")
    }
    return parts.isEmpty ? nil : parts.joined(separator: ", ")
  }

  /// The same as the end of a heading: " (unlike bases: data-sheet and fits)", or nothing.
  public static func heading(_ marks: [BasisMark]) -> String { heading(ofGroups: [marks]) }

  /// The same of several groups, only within which runs are compared.
  public static func heading(ofGroups groups: [[BasisMark]]) -> String {
    var parts: [String] = []
    for part in groups.compactMap(difference) where !parts.contains(part) { parts.append(part) }
    return parts.isEmpty ? "" : " (unlike bases: \(parts.joined(separator: "; ")))"
  }
}
