import Formatting
import Results
import Runs
import Sim
import Studies

/// All contenders on one workload.
package struct Heat {
  package var workload: Workload
  /// In the order of the contenders.
  package var runs: [ExecutedRun]

  /// Whether all contenders completed the same requests.
  var isFair: Bool { runs.allSatisfy { comparable($0, runs[0]) } }

  /// Ids of the requests that any contender rejected, ascending.
  var rejectedByAny: [Int] { Set(runs.flatMap(\.rejected)).sorted() }

  /// Which requests they are.
  var kind: HeatKind { workload.dropped.isEmpty ? .whole : .common }

  /// The ratio of a contender's `rate` to the baseline's; `nil` unless both completed the same requests and have a rate,
  /// the baseline's above zero.
  package func ratio(_ contender: Int, to baseline: Int, _ rate: KeyPath<RunSummary, Double?>) -> Double? {
    guard comparable(runs[contender], runs[baseline]) else { return nil }
    return Formatting.ratio(
      runs[contender].summary[keyPath: rate], to: runs[baseline].summary[keyPath: rate])
  }

  /// The same in words: "n/c" where they did not complete the same requests, "–" where a rate is missing.
  func ratioText(_ contender: Int, to baseline: Int, _ rate: KeyPath<RunSummary, Double?>) -> String {
    guard comparable(runs[contender], runs[baseline]) else { return "n/c" }
    return ratio(contender, to: baseline, rate).map(Formatting.ratioText) ?? "–"
  }

  private func comparable(_ a: ExecutedRun, _ b: ExecutedRun) -> Bool {
    a.served.isComparable(to: b.served)
  }
}

/// All contenders on one seed: on the whole trace and, where they did not complete the same requests, on the
/// requests that all of them complete.
package struct FairComparison {
  package var whole: Heat
  /// `nil` if the whole trace is a fair comparison, or none was asked for or found.
  package var common: Heat?

  /// The heat whose ratios count.
  package var judged: Heat { common ?? whole }

  /// Rounds of leaving out requests before giving up: with fewer requests a contender may reject others.
  static let mostRounds = 4

  /// Runs every contender on `workload` with `run` and, as `onReject` says, again on the common trace.
  package static func make(
    policies: [String], workload: Workload, onReject: OnReject,
    run: (_ contender: Int, _ workload: Workload) throws -> ExecutedRun
  ) throws -> FairComparison {
    func heat(_ workload: Workload) throws -> Heat {
      Heat(workload: workload, runs: try policies.indices.map { try run($0, workload) })
    }
    let whole = try heat(workload)
    switch onReject {
    case .raw: return FairComparison(whole: whole)
    case .fail:
      let rejecting = policies.indices.filter { !whole.runs[$0].rejected.isEmpty }
      guard rejecting.isEmpty else {
        let list = rejecting.map { "\(policies[$0]) \(whole.runs[$0].rejected.count)" }
        throw CommandFailure(
          .runFailed, "requests were rejected (\(list.joined(separator: ", "))) and --on-reject is fail")
      }
      return FairComparison(whole: whole)
    case .common:
      guard !whole.isFair else { return FairComparison(whole: whole) }
      var last = whole
      for _ in 0..<mostRounds {
        guard let rest = try last.workload.dropping(last.rejectedByAny) else { break }
        last = try heat(rest)
        if last.rejectedByAny.isEmpty { return FairComparison(whole: whole, common: last) }
      }
      return FairComparison(whole: whole)
    }
  }
}
