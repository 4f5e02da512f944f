import Sim

/// A finished run that waits to be stored: what its simulation gave and the rows to be kept of it.
public struct FinishedRun: Sendable {
  public var manifest: Manifest
  public var result: RunResult
  public var digest: RequestDigest
  public var kept: KeptRows
  public var requests: [EndedRequest] = []
  /// What instances did.
  public var work: [TimeAccount.Spent] = []
  public var samples: [InstanceSample] = []
  public var decisions: [DecisionRecord] = []
  /// ISO 8601, UTC.
  public var startedAt: String
  public var finishedAt: String

  public init(
    manifest: Manifest, result: RunResult, digest: RequestDigest, kept: KeptRows, startedAt: String,
    finishedAt: String
  ) {
    (self.manifest, self.result, self.digest, self.kept) = (manifest, result, digest, kept)
    (self.startedAt, self.finishedAt) = (startedAt, finishedAt)
  }
}

/// A request that has ended, and where its time went.
public struct EndedRequest: Hashable, Sendable {
  public var record: RequestRecord
  /// `nil` if nothing was told of its life.
  public var account: RequestAccount?

  public init(record: RequestRecord, account: RequestAccount?) {
    self.record = record
    self.account = account
  }
}
