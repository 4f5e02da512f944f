import Sim
import Torture

/// Several homes at one host: what it does for all of them takes its time, whether it has work of its own or not.
public enum SharedHostLaw {
  /// - Throws: `LawViolation`.
  public static func check() throws {
    func require(_ holds: Bool, _ law: String, _ details: String) throws {
      if !holds { throw LawViolation(law: law, seed: 1, details: details) }
    }
    for homes in [3, 7] {
      let (idle, busy) = (try slowest(homes, busy: false), try slowest(homes, busy: true))
      let details = "\(homes) homes: \(idle / 1e12) s at an idle host, \(busy / 1e12) s at a busy one"
      for busy in [false, true] {
        let found = try LendingComparison(LendingCluster.oneHost(of: homes, busy: busy), coupling: .contended)
        try require(
          found.map { $0.errors.worstEndToEnd <= 0.2 && abs($0.errors.makespan) <= 0.06 } ?? false,
          "requests at a shared host are within 20 % of the layers, and the makespan within 6 %",
          "\(homes) homes\(busy ? ", busy" : ""): \(found.map { "\($0.errors)" } ?? "not compared")")
      }
      try require(busy > 0.95 * idle, "a host with work of its own is no faster for its guests", details)
    }
    // Of the crowded clusters the first request's home is everybody's host.
    let cluster = try LendingCluster(seed: 3, crowded: true)
    let (usual, slow) = (try cluster.times(), try cluster.times(slowing: 0, permille: 16_000))
    for (request, (before, after)) in zip(usual, slow).enumerated() {
      try require(
        Double(after.first) > 1.1 * Double(before.first), "a slow host is slow for its guests too",
        "request \(request): \(before.first) and \(after.first) ps")
    }
    let crowded = try LendingAccuracy(.contended, clusters: 40, crowded: true)
    try require(crowded.lending == 40, "every crowded cluster lends", crowded.row("crowded"))
    try require(
      crowded.mean <= 0.05 && crowded.makespan <= 0.03 && crowded.requestsWithin >= 0.9,
      "crowded clusters are within 5 % of the layers on average", crowded.row("crowded"))
  }

  /// When the last of so many long prompts that have one host together has its first token, ps.
  private static func slowest(_ homes: Int, busy: Bool) throws -> Double {
    Double(try LendingCluster.oneHost(of: homes, busy: busy).times().suffix(homes).map(\.first).max() ?? 0)
  }
}
