import Sim

/// What is kept of a run besides its own row.
public enum KeptRows: String, CaseIterable, Sendable {
  /// Nothing.
  case summary
  /// A row per request.
  case requests
  /// Samples of instances and decisions of policies as well.
  case all

  /// Whether a run that has these rows has those too.
  public func includes(_ other: KeptRows) -> Bool { superset(of: other).contains(self) }

  private func superset(of rows: KeptRows) -> [KeptRows] {
    switch rows {
    case .summary: [.summary, .requests, .all]
    case .requests: [.requests, .all]
    case .all: [.all]
    }
  }

  /// Those that include these, as SQL literals.
  package var superset: String { superset(of: self).map { "'\($0.rawValue)'" }.joined(separator: ", ") }
}

/// What comparisons and warnings need of a run's requests.
public struct RequestDigest: Hashable, Sendable {
  /// Ids of the rejected requests, ascending.
  public var rejected: [Int]
  public var longest: LongestRequests

  public init(rejected: [Int], longest: LongestRequests) {
    (self.rejected, self.longest) = (rejected, longest)
  }
}

/// A row of the `run` table.
public struct StoredRun: Sendable {
  public enum Status: Sendable {
    case completed(RunResult)
    /// The text of the error that ended the run.
    case failed(String)
  }

  public var id: Int64
  /// The manifest's canonical JSON.
  public var manifest: String
  public var manifestHash: String
  public var status: Status
  public var policy: String
  public var trace: String
  public var seed: Int
  public var programVersion: String
  public var startedAt: String
  /// `nil` for a failed run.
  public var finishedAt: String?
  /// Which rows there are besides the run's own.
  public var kept: KeptRows
  /// `nil` where the request rows say it, as in databases of schema 1.
  public var requests: RequestDigest?

  package init(
    id: Int64, manifest: String, manifestHash: String, status: Status, policy: String, trace: String,
    seed: Int,
    programVersion: String, startedAt: String, finishedAt: String?, kept: KeptRows, requests: RequestDigest?
  ) {
    (self.id, self.manifest, self.manifestHash, self.status) = (id, manifest, manifestHash, status)
    (self.policy, self.trace, self.seed, self.programVersion) = (policy, trace, seed, programVersion)
    (self.startedAt, self.finishedAt, self.kept, self.requests) = (startedAt, finishedAt, kept, requests)
  }

  /// What the run was reported by, if it completed.
  public var result: RunResult? {
    guard case .completed(let result) = status else { return nil }
    return result
  }
}
