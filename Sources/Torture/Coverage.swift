/// Something that a scenario may go through, and whether it did.
public struct Sight: Sendable {
  /// What happened, after "N % of the scenarios".
  public var what: String
  /// The least share of the scenarios that must, in percent.
  public var floor: Int
  /// `nil` where the scenario could not: it does not count.
  public var isSeen: Bool?
  /// How much of a bound the scenario came to, where there is one: 1 is all of it.
  public var ofBound: Double?

  public init(_ what: String, floor: Int, _ isSeen: Bool?, ofBound: Double? = nil) {
    self.what = what
    self.floor = floor
    self.isSeen = isSeen
    self.ofBound = ofBound
  }
}

/// What many scenarios went through, beside the least that they must: a law that nothing tried is not a law that held.
///
/// A floor is half of what the weakest suite reached on 1,000 seeds (docs/faults.md). A share of few scenarios scatters,
/// so n of them fall short of a floor p only where fewer than `n·p − 3·√(n·p·(1 − p))` saw it: three standard
/// deviations of the binomial below what the floor itself would give.
public struct Coverage: Sendable, Equatable, CustomStringConvertible {
  private struct Share: Sendable, Equatable {
    var what: String
    var floor: Int
    var seen = 0
    var scenarios = 0
    /// The most that a scenario came to of its bound.
    var ofBound: Double?

    var isShort: Bool {
      let (n, p) = (Double(scenarios), Double(floor) / 100)
      return Double(seen) < n * p - 3 * (n * p * (1 - p)).squareRoot()
    }
  }

  public private(set) var scenarios = 0
  private var shares: [Share] = []

  public init() {}

  /// Whether nothing is looked for.
  public var isEmpty: Bool { shares.isEmpty }

  /// Adds what one scenario went through. All scenarios of one coverage have the same sights in the same order.
  public mutating func add(_ sights: [Sight]) {
    var one = Coverage()
    one.scenarios = 1
    one.shares = sights.map {
      Share(
        what: $0.what, floor: $0.floor, seen: $0.isSeen == true ? 1 : 0, scenarios: $0.isSeen == nil ? 0 : 1,
        ofBound: $0.ofBound)
    }
    add(one)
  }

  public mutating func add(_ other: Coverage) {
    scenarios += other.scenarios
    guard !shares.isEmpty, !other.shares.isEmpty else {
      shares += other.shares
      return
    }
    precondition(
      shares.map(\.what) == other.shares.map(\.what), "scenarios of one suite have the same sights")
    for index in shares.indices {
      shares[index].seen += other.shares[index].seen
      shares[index].scenarios += other.shares[index].scenarios
      shares[index].ofBound = [shares[index].ofBound, other.shares[index].ofBound].compactMap(\.self).max()
    }
  }

  /// The floors that were not reached, in words; none if all were.
  public var shortfalls: [String] {
    shares.filter(\.isShort).map { "\($0.what): \($0.seen) of \($0.scenarios) scenarios, not \($0.floor) %" }
  }

  /// A line for each sight: the share reached, the floor, what it is, and the most of a bound if it has one.
  public var description: String {
    shares.filter { $0.scenarios > 0 }.map { share in
      let tenths = share.seen * 1_000 / share.scenarios
      let reached = "\(tenths / 10).\(tenths % 10) %"
      let floor = "(at least \(share.floor) %)"
      let most = share.ofBound.map { "; at most \(Int(($0 * 100).rounded(.up))) % of it" } ?? ""
      return "\(pad(reached, to: 7)) \(pad(floor, to: 15)) \(share.what)\(most)"
    }.joined(separator: "\n")
  }

  private func pad(_ text: String, to width: Int) -> String {
    String(repeating: " ", count: max(0, width - text.count)) + text
  }
}
