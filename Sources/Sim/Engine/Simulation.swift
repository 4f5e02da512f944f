/// One run: a trace replayed on a simulated cluster under one policy.
///
///     var simulation = Simulation(configuration, policy: policy)
///     let summary = try simulation.run(source)
///
/// A run is a function of the configuration, the policy and the requests: it reads no clock and no system
/// randomness, and equal inputs give equal fingerprints in every process.
public struct Simulation {
  private let configuration: SimulationConfiguration
  private let policy: any SchedulingPolicy
  private let observer: (any RunEventHandler)?

  /// - Throws: `ConfigurationError` if the configuration cannot work.
  public init(
    _ configuration: SimulationConfiguration, policy: any SchedulingPolicy,
    observer: (any RunEventHandler)? = nil
  ) throws(ConfigurationError) {
    try configuration.validate()
    try configuration.managers.validate()
    try policy.lending.validate()
    guard policy.lending.mode == .off || configuration.costs.window == .max else {
      throw ConfigurationError(
        setting: "lending", found: policy.lending.mode.rawValue,
        expected: "off with a sliding-window model: what leaves the window needs no host")
    }
    self.configuration = configuration
    self.policy = policy
    self.observer = observer
  }

  /// Replays `source` to its end.
  /// - Throws: what reading the source throws, `SimulationError` if a time leaves the clock's range or faults are too many, and `PolicyError` if
  ///   the policy returns what could never have been right.
  public func run<Source: RequestSource>(
    _ source: Source, onProgress: ((RunProgress) -> Void)? = nil
  ) throws -> RunSummary {
    var source = source
    let unit = source.info.prefixUnit
    guard !configuration.engine.prefixCaching || unit.isMultiple(of: configuration.engine.blockSize) else {
      throw ConfigurationError(
        setting: "block-size", found: String(configuration.engine.blockSize),
        expected: "a divisor of the \(unit) tokens that the trace names by one hash")
    }
    var state = makeState(source.info)
    return try state.run(&source, onProgress: onProgress)
  }

  func makeState(_ source: RequestSourceInfo) -> SimulationState {
    SimulationState(configuration, policy: policy, source: source, observer: observer)
  }
}

/// A run that could not be finished.
public enum SimulationError: Error, Hashable, Sendable, CustomStringConvertible {
  /// A step or the whole run takes longer than the clock of picoseconds can count (106 days; 13 for one step).
  case beyondRange(after: SimTime)
  /// Random faults have begun more often than `FaultPlan.mostRandomFaults`, and this one the most often.
  case tooManyFaults(most: RandomFault, begins: Int, before: SimTime)

  public var description: String {
    switch self {
    case .beyondRange(let time):
      "after \(time.seconds) simulated seconds a step would end beyond the clock's range of 106 days"
    case .tooManyFaults(let most, let begins, let time):
      "faults: random: \(most.fault.name) (\(most.fault.place)) has begun \(begins) times in \(time.seconds) simulated seconds, "
        + "with mean-between-s \(most.meanBetween.seconds) and mean-repair-s \(most.meanRepair.seconds); random faults may "
        + "begin \(FaultPlan.mostRandomFaults) times in a run: give longer means, or an end with last-s"
    }
  }
}

/// A configuration that cannot work: which setting, what was found, what was expected.
public struct ConfigurationError: Error, Hashable, Sendable, CustomStringConvertible {
  public var setting: String
  public var found: String
  public var expected: String

  public init(setting: String, found: String, expected: String) {
    self.setting = setting
    self.found = found
    self.expected = expected
  }

  public var description: String { "\(setting) is \(found), expected \(expected)" }
}

extension SimulationConfiguration {
  func validate() throws(ConfigurationError) {
    func require(_ holds: Bool, _ setting: String, _ found: Int, _ expected: String)
      throws(ConfigurationError)
    {
      if !holds { throw ConfigurationError(setting: setting, found: String(found), expected: expected) }
    }
    try require(topology.count >= 1 && topology.count <= 65_536, "instances", topology.count, "1 to 65,536")
    try require(
      blocksPerInstance >= 2 && blocksPerInstance <= 1 << 36 / max(1, engine.blockSize), "kv-blocks",
      blocksPerInstance, "2 blocks to 2^36 tokens")
    try require(
      engine.blockSize >= 1 && engine.blockSize <= 4_096, "block-size", engine.blockSize, "1 to 4,096 tokens")
    try require(
      engine.maxNumSeqs >= 1 && engine.maxNumSeqs <= 1 << 20, "max-num-seqs", engine.maxNumSeqs, "1 to 2^20")
    try require(
      engine.maxNumBatchedTokens >= 1 && engine.maxNumBatchedTokens <= 1 << 30, "max-num-batched-tokens",
      engine.maxNumBatchedTokens, "1 to 2^30")
    try require(engine.maxModelLen >= 2, "max-model-len", engine.maxModelLen, "2 tokens or more")
    try require(
      engine.kind == .vllmV0 || engine.maxNumSeqs < engine.maxNumBatchedTokens, "max-num-seqs",
      engine.maxNumSeqs,
      "fewer than max-num-batched-tokens (\(engine.maxNumBatchedTokens)) with the chunked engine")
    try require(
      (0..<100).contains(engine.watermarkPercent), "watermark-percent", engine.watermarkPercent, "0 to 99")
    try require(
      (0..<100).contains(engine.chunkedWatermarkPercent), "chunked-watermark-percent",
      engine.chunkedWatermarkPercent, "0 to 99")
    try faults.validate(on: topology)
  }
}

extension LendingOptions {
  func validate() throws(ConfigurationError) {
    func require(_ holds: Bool, _ setting: String, _ found: Int, _ expected: String)
      throws(ConfigurationError)
    {
      if !holds { throw ConfigurationError(setting: setting, found: String(found), expected: expected) }
    }
    try require(debtorBatch >= 0, "debtor-batch", debtorBatch, "0 or more")
    try require(
      (0...100).contains(creditorUtilisationPercent), "creditor-utilisation", creditorUtilisationPercent,
      "0 to 100 percent")
    try require(borrowChunk >= 1, "borrow-chunk", borrowChunk, "at least 1 block")
    try require(
      moveTokensPerStep >= 1 && moveTokensPerStep <= 1 << 30, "move-tokens-per-step", moveTokensPerStep,
      "1 to 2^30")
    try require(minGainPermille >= 0, "min-gain", minGainPermille, "0 or more thousandths")
    try require(cooldownPeriods >= 0, "cooldown", cooldownPeriods, "0 or more periods")
    guard period.picoseconds >= 1_000_000 else {
      throw ConfigurationError(
        setting: "period", found: "\(period.seconds) s", expected: "at least a microsecond")
    }
  }
}
