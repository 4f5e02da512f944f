/// The words that a study may use.
public struct Vocabulary: Sendable {
  /// Options of `run` that take a value, without the dashes.
  public var options: Set<String>
  /// Options of `run` that are there or not.
  public var flags: Set<String>
  /// Settings of the engine.
  public var engine: Set<String>
  /// Policy → its settings.
  public var policies: [String: Set<String>]

  public init(options: Set<String>, flags: Set<String>, engine: Set<String>, policies: [String: Set<String>])
  {
    (self.options, self.flags, self.engine, self.policies) = (options, flags, engine, policies)
  }
}

extension Study {
  /// Throws where an expectation names a label or an axis that no grid has, or one that its own does not.
  func checkNames() throws(StudyError) {
    for grid in grids {
      for expectation in grid.expectations { try expectation.checkNames(in: [grid]) }
    }
    for expectation in expectations { try expectation.checkNames(in: grids) }
  }

  /// Throws at the first policy or option that does not exist, or that no contender could use.
  public func check(_ vocabulary: Vocabulary) throws(StudyError) {
    for grid in grids {
      var ofPolicies: Set<String> = []
      for contender in grid.contenders {
        guard let own = vocabulary.policies[contender.policy] else {
          throw StudyError(
            contender.place, found: "policy \(quoted(contender.policy))",
            expected: vocabulary.policies.keys.sorted().joined(separator: ", "))
        }
        ofPolicies.formUnion(own)
        for setting in contender.options { try setting.check(vocabulary, own) }
      }
      let shared = grid.options + grid.axes.flatMap { $0.values.flatMap(\.settings) }
      // An option of the study may be for a policy that only another grid has.
      let anywhere = Set(grids.flatMap(\.contenders).flatMap { vocabulary.policies[$0.policy] ?? [] })
      for setting in shared {
        try setting.check(vocabulary, grid.options.contains(setting) ? anywhere : ofPolicies)
      }
    }
  }
}

extension Setting {
  fileprivate func check(_ vocabulary: Vocabulary, _ ofPolicies: Set<String>) throws(StudyError) {
    if vocabulary.flags.contains(key) {
      guard value == "true" || value == "false" else {
        throw StudyError(place, found: "\(key): \(quoted(value))", expected: "true or false")
      }
      return
    }
    let known = vocabulary.options.union(vocabulary.engine).union(ofPolicies)
    guard known.contains(key) else {
      let elsewhere = vocabulary.policies.filter { $0.value.contains(key) }.keys.sorted()
      let found = "an unknown option \(quoted(key))"
      guard elsewhere.isEmpty else {
        throw StudyError(
          place, found: "option \(quoted(key)), which no policy here has",
          expected: "a contender of \(elsewhere.joined(separator: " or "))")
      }
      let all = known.union(vocabulary.flags).sorted()
      let hint = closest(to: key, among: all).map { "perhaps \($0); " } ?? ""
      throw StudyError(place, found: found, expected: "\(hint)one of \(all.joined(separator: ", "))")
    }
  }
}

extension Expectation {
  fileprivate func checkNames(in grids: [Grid]) throws(StudyError) {
    let labels = Set(grids.flatMap { $0.contenders.map(\.label) })
    for label in check.comparison.labels where !labels.contains(label) {
      throw StudyError(
        place, found: "label \(quoted(label))", expected: labels.sorted().joined(separator: ", "))
    }
    let axes = Set(grids.flatMap { $0.axes.map(\.name) })
    for condition in check.selection.conditions
    where condition.name != "grid" && condition.name != "seed" && !axes.contains(condition.name) {
      throw StudyError(
        condition.place, found: "\(quoted(condition.name)) in where",
        expected: axes.isEmpty
          ? "grid or seed: there are no axes"
          : "grid, seed or an axis: \(axes.sorted().joined(separator: ", "))")
    }
  }
}
