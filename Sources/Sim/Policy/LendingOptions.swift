/// When blocks are lent (semantics.md 24).
public enum LendingMode: String, Sendable, CaseIterable {
  /// Never.
  case off
  /// An instance that is full borrows, at admission and at decode growth.
  case passive
  /// `passive`, and the planner moves blocks before an instance is full. The default.
  case proactive
  /// Only the planner moves blocks.
  case plannerOnly = "planner-only"

  /// Whether an instance that is full borrows.
  public var borrows: Bool { self == .passive || self == .proactive }
}

/// How a host pays for the blocks it holds for others (semantics.md 16, 17; docs/decisions/0020-a-gpus-time-is-spent-once.md).
public enum Coupling: String, Sendable, CaseIterable {
  /// A GPU's time is spent once: a host answers between its own kernels and takes longer for its own steps, and the home waits for its
  /// slowest host. The default.
  case contended
  /// A host slows down by the share of its memory bandwidth that the decode steps of homes use; an idle one attends for nothing.
  case fluid
  /// A busy host adds its hosted tokens to every step of its own, whatever the home's rate; an idle one attends for nothing.
  case paper
}

/// How a prompt that needs hosts is placed over them (semantics.md 23).
public enum PlacementStyle: String, Sendable, CaseIterable {
  /// Evenly, each token as it is computed, so that home and hosts have like parts of every chunk's attention.
  case balanced
  /// The home is filled first, and the rest lies on the creditors in proportion to their free memory.
  case homeFirst = "home-first"
  /// The home is filled first, and then the creditors one after another.
  case pack
}

/// What a request larger than an instance that waits for memory means for those that came after it.
public enum GiantReservation: String, Sendable, CaseIterable {
  /// They start if they are not expected to delay it, and give way if they do.
  case backfill
  /// None starts, anywhere, until it has started.
  case hold
  /// Nothing.
  case none
}

/// The options of lending; defaults from semantics.md ("Defaults").
public struct LendingOptions: Hashable, Sendable {
  public var mode = LendingMode.off
  /// β_thr: an instance with a smaller batch is a debtor.
  public var debtorBatch = 64
  /// u_thr: an instance with a lower memory utilisation is a creditor, percent.
  public var creditorUtilisationPercent = 90
  /// Period of heartbeats and of the planner.
  public var period = SimDuration.seconds(1)
  /// Blocks borrowed at once when a decode step finds none.
  public var borrowChunk = 16
  /// KV tokens a move may ship per step of its source; above 16 the source slows down (8.6 % at 32).
  public var moveTokensPerStep = 16
  /// An instance with waiting requests lends too.
  public var lendWhileQueueing = false
  /// What the oldest request larger than an instance that waits for memory means for younger ones.
  public var reserveGiants = GiantReservation.backfill
  public var placement = PlacementStyle.balanced
  public var coupling = Coupling.contended
  /// The least gain of a planned move, in thousandths of the pair's throughput.
  public var minGainPermille = 10
  /// A prompt of at least so many tokens is offered to hosts when it starts, also if its home could hold it.
  public var spreadFrom = Int.max
  /// Periods for which a role (debtor, creditor) is kept and landed blocks rest.
  public var cooldownPeriods = 10

  public init() {}
}
