import Sim

/// What a policy is asked to be made for.
public struct PolicyRequest: Sendable {
  public var cluster: ClusterSpec
  public var model: ModelSpec
  /// The small instance: that of vllm-m and debtor-creditor, from which others derive theirs.
  public var tp: Int
  public var pp: Int
  /// Whether the ranks of a TP group hold whole experts (EP).
  public var expertParallel: Bool
  /// How many small instances; as many as fit if `nil`.
  public var instances: Int?
  /// `nil`: the default of the policy.
  public var router: Router?
  /// The policy's own options; keys that it does not have must be refused by the caller.
  public var options: [String: String]
  /// What those that are `sizedByLongest` need.
  public var longest: LongestRequest?

  public init(
    cluster: ClusterSpec, model: ModelSpec, tp: Int, pp: Int, expertParallel: Bool = false,
    instances: Int?, router: Router?, options: [String: String], longest: LongestRequest? = nil
  ) {
    self.cluster = cluster
    self.model = model
    self.tp = tp
    self.pp = pp
    self.expertParallel = expertParallel
    self.instances = instances
    self.router = router
    self.options = options
    self.longest = longest
  }
}

extension PolicyRequest {
  /// `PolicyCatalog.make` has filled in the default of the policy.
  fileprivate var chosenRouter: Router { router ?? .leastLoaded }
}

/// The longest request of a trace. Its output is hidden from policies as they run: only the size of instances may rest on it.
public struct LongestRequest: Sendable {
  /// Its tokens, as `BlockLimits.total(prompt:output:)` counts them.
  public var tokens: Int
  /// Whether an instance of the shape, which stands for so many small ones, holds it.
  public var isHeld: @Sendable (_ shape: InstanceShape, _ multiple: SmallInstances) throws -> Bool

  public init(
    tokens: Int,
    isHeld: @escaping @Sendable (_ shape: InstanceShape, _ multiple: SmallInstances) throws -> Bool
  ) {
    self.tokens = tokens
    self.isHeld = isHeld
  }
}

/// How many small instances one instance stands for: `ranks` / `of`, which may be less than 1.
public struct SmallInstances: Hashable, Sendable, ExpressibleByIntegerLiteral {
  public var ranks: Int
  public var of: Int

  public init(_ ranks: Int, of: Int = 1) { (self.ranks, self.of) = (ranks, of) }
  public init(integerLiteral count: Int) { self.init(count) }

  /// What all of them have together if each has `count`; at least 1.
  public func together(_ count: Int) -> Int { max(1, count * ranks / of) }
}

/// A policy with the cluster cut as it wants it.
public struct PolicyPlan {
  public var policy: any SchedulingPolicy
  public var layout: ClusterLayout
  /// How many small instances one of its instances stands for: blocks and sequences are multiplied by it.
  public var multiple: SmallInstances
  /// Sequences per instance if an option sets them.
  public var maxNumSeqs: Int?
  /// All options with their values, defaults filled in.
  public var options: [String: String]
  /// The name of the router that was asked for, or of the policy's own.
  public var router = ""
  /// Of those that are `sizedByLongest`.
  public var sizing: RightSizing?
}

/// What a policy does beyond routing, under some of its options at least.
public struct PolicyDeeds: OptionSet, Sendable {
  public let rawValue: Int
  public init(rawValue: Int) { self.rawValue = rawValue }

  /// Its `lend` finds hosts for blocks.
  public static let lends = PolicyDeeds(rawValue: 1)
  /// Its `plan` orders moves.
  public static let plans = PolicyDeeds(rawValue: 2)
  /// Its `steals` lets idle instances take queued requests.
  public static let steals = PolicyDeeds(rawValue: 4)
}

/// A policy as the catalogue lists it.
public struct PolicyDescription: Sendable {
  public let name: String
  public let summary: String
  /// The laws see to it that it does these often enough, and nothing else.
  public var does: PolicyDeeds = []
  /// Whether the size of its instances rests on the longest request of the trace.
  public var sizedByLongest = false
  /// The router if none is asked for.
  public var router = Router.leastLoaded
  public let options: [PolicyOption]
  fileprivate let make: @Sendable (PolicyRequest, OptionReader) throws -> PolicyPlan
}

/// Every policy, one line each: adding one is a file and a line here, and the law suites take it from here.
public enum PolicyCatalog {
  public static let all: [PolicyDescription] = [
    PolicyDescription(
      name: "vllm-m", summary: "many small instances, each on its own (vLLM-multi)", does: .steals,
      options: [stealing],
      make: makeVLLMMultiple),
    PolicyDescription(
      name: "vllm-m-fit",
      summary:
        "vllm-m right-sized: the smallest TP whose instance holds the trace's longest request, which --tp does not change; "
        + "it reads hidden output lengths, an oracle sizing that a planner does from the trace's history",
      does: .steals, sizedByLongest: true, options: [stealing], make: makeVLLMMultipleFit),
    PolicyDescription(
      name: "vllm-s", summary: "one instance over all GPUs (vLLM-single)", options: singleOptions,
      make: makeVLLMSingle),
    PolicyDescription(
      name: "debtor-creditor", summary: "small instances that lend KV blocks to each other (Infinite-LLM)",
      does: [.lends, .plans, .steals], router: .leastWork,
      options: [pooledSteal, shareFrom] + lendingOptions,
      make: makeDebtorCreditor),
    PolicyDescription(
      name: "pooled",
      summary: "small instances with one queue in effect, long prompts spread over a node (ours)",
      does: [.lends, .plans, .steals], options: pooledOptions, make: makePooled),
  ]

  public static subscript(name: String) -> PolicyDescription? { all.first { $0.name == name } }

  /// - Throws: `PolicyOptionError`, or a `ClusterError` if the cluster cannot be cut so.
  public static func make(_ name: String, _ request: PolicyRequest) throws -> PolicyPlan {
    guard let description = self[name] else {
      throw PolicyOptionError(
        key: "policy", found: name, expected: all.map(\.name).joined(separator: ", "))
    }
    var request = request
    request.router = request.router ?? description.router
    let reader = OptionReader(values: request.options)
    var plan = try description.make(request, reader)
    precondition(plan.policy.name == name, "policy \(plan.policy.name) stands in the catalogue as \(name)")
    if plan.router.isEmpty { plan.router = request.chosenRouter.rawValue }
    plan.options = Dictionary(
      uniqueKeysWithValues: description.options.map { ($0.key, reader.string($0)) })
    return plan
  }

  // MARK: - vllm-m

  private static let stealing = PolicyOption(
    key: "steal", defaultValue: "false",
    help: "true or false: an instance with free slots and memory takes the head of the longest other queue",
    tried: ["false", "false", "true"])

  private static func smallInstances(_ request: PolicyRequest) throws -> ClusterLayout {
    let shape = InstanceShape(
      tp: request.tp, pp: request.pp, expertParallel: request.expertParallel)
    try shape.validate(for: request.model)
    return try ClusterLayout.make(cluster: request.cluster, shape: shape, instances: request.instances)
  }

  private static func makeVLLMMultiple(_ request: PolicyRequest, _ options: OptionReader) throws -> PolicyPlan
  {
    PolicyPlan(
      policy: VLLMMultiple(router: request.chosenRouter, steals: try options.bool(stealing)),
      layout: try smallInstances(request), multiple: 1, options: [:])
  }

  // MARK: - vllm-m-fit

  /// vllm-m with the smallest legal TP within a node whose instance holds the longest request; with the largest if none does.
  /// PP is as asked, and so many instances as the small ones asked for have GPUs for.
  private static func makeVLLMMultipleFit(
    _ request: PolicyRequest, _ options: OptionReader
  ) throws -> PolicyPlan {
    guard let longest = request.longest else {
      throw PolicyOptionError(
        key: "longest", found: "", expected: "the tokens of the longest request (--longest)")
    }
    func shape(_ tp: Int) -> InstanceShape {
      InstanceShape(tp: tp, pp: request.pp, expertParallel: request.expertParallel)
    }
    try shape(request.tp).validate(for: request.model)
    let shapes = InstanceShape.legalTP(model: request.model, maximum: request.cluster.gpusPerNode).map(shape)
    let legal = shapes.filter { (try? $0.validate(for: request.model)) != nil }
    func most(_ shape: InstanceShape) throws -> Int {
      try ClusterLayout.make(cluster: request.cluster, shape: shape).count
    }
    let possible = legal.filter { (try? most($0)) != nil }
    guard let largest = possible.last else {
      // Not even the smallest is: the error says why.
      throw ClusterError.tooManyInstances(
        asked: 1, fitting: 0, shape: legal.first ?? shape(1), gpus: request.cluster.gpus)
    }
    func multiple(_ shape: InstanceShape) -> SmallInstances { SmallInstances(shape.tp, of: request.tp) }
    let held = try possible.first { try longest.isHeld($0, multiple($0)) }
    let chosen = held ?? largest
    var count: Int?
    if request.instances != nil {
      count = min(
        try most(chosen), max(1, try smallInstances(request).count * request.tp / chosen.tp))
    }
    return PolicyPlan(
      policy: VLLMMultiple(
        router: request.chosenRouter, steals: try options.bool(stealing), name: "vllm-m-fit"),
      layout: try ClusterLayout.make(cluster: request.cluster, shape: chosen, instances: count),
      multiple: multiple(chosen), options: [:],
      sizing: RightSizing(longest: longest.tokens, isHeld: held != nil))
  }

  // MARK: - vllm-s

  private static let singleTP = PolicyOption(
    key: "vllm-s-tp", defaultValue: "auto",
    help: "ranks of vllm-s; auto: the largest legal TP that fits a node",
    tried: ["auto", "auto", "1"])
  private static let singlePP = PolicyOption(
    key: "vllm-s-pp", defaultValue: "auto", help: "stages of vllm-s; auto: as many as use all GPUs")
  private static let across = PolicyOption(
    key: "vllm-s-across", defaultValue: "pp",
    help: "pp or tp: how vllm-s spans nodes; tp takes the largest legal TP of the whole cluster",
    tried: ["pp", "pp", "tp"])
  private static let singleSequences = PolicyOption(
    key: "vllm-s-max-num-seqs", defaultValue: "auto",
    help: "sequences of vllm-s; auto: those of all small instances together")
  private static let singleOptions = [singleTP, singlePP, across, singleSequences]

  private enum Across: String, CaseIterable { case pp, tp }

  private static func makeVLLMSingle(_ request: PolicyRequest, _ options: OptionReader) throws -> PolicyPlan {
    let cluster = request.cluster
    let spansByTP = try options.choice(across, Across.self) == .tp
    let most = spansByTP ? cluster.gpus : cluster.gpusPerNode
    let tp =
      options.string(singleTP) == "auto"
      ? InstanceShape.legalTP(model: request.model, maximum: most).last ?? 1
      : try options.integer(singleTP, 1...cluster.gpus)
    // A TP group within a node never straddles two: the rest of the node stays idle.
    let groups = spansByTP ? cluster.gpus / tp : cluster.nodes * (cluster.gpusPerNode / tp)
    let pp =
      options.string(singlePP) == "auto"
      ? max(1, min(groups, request.model.layers)) : try options.integer(singlePP, 1...cluster.gpus)
    let shape = InstanceShape(
      tp: tp, pp: pp, tpAcrossNodes: tp > cluster.gpusPerNode, expertParallel: request.expertParallel)
    try shape.validate(for: request.model)
    // vllm-m may not be possible on this cluster (a model that needs every GPU): then one stands for one.
    let small = (try? smallInstances(request))?.count ?? 1
    return PolicyPlan(
      policy: VLLMSingle(), layout: try ClusterLayout.make(cluster: cluster, shape: shape, instances: 1),
      multiple: SmallInstances(small),
      maxNumSeqs: options.string(singleSequences) == "auto"
        ? nil : try options.integer(singleSequences, 1...1_048_576), options: [:])
  }

  // MARK: - debtor-creditor

  private static let mode = PolicyOption(
    key: "lending", defaultValue: "proactive",
    help: "off, passive (borrow when full), proactive (the planner as well) or planner-only",
    tried: ["proactive", "proactive", "proactive", "passive", "planner-only", "planner-only", "off"],
    tortured: ["proactive"])
  private static let debtorBatch = PolicyOption(
    key: "beta-threshold", defaultValue: "64", help: "β_thr: a smaller batch makes a debtor",
    tried: ["1", "2", "4", "8", "64", "64"],
    tortured: ["64"])
  private static let creditorUse = PolicyOption(
    key: "u-threshold", defaultValue: "0.9", help: "u_thr: a lower memory utilisation makes a creditor",
    tried: ["0.5", "0.9", "0.9", "1"])
  private static let period = PolicyOption(
    key: "period", defaultValue: "1", help: "seconds between heartbeats and plans",
    tried: ["0.000001", "0.000002", "0.000005", "0.00001", "0.00002"],
    tortured: ["0.000008", "0.00001", "0.00002"])
  private static let chunk = PolicyOption(
    key: "borrow-chunk", defaultValue: "16", help: "blocks borrowed at once when decoding finds none",
    tried: ["1", "2", "4", "16"])
  private static let moveTokens = PolicyOption(
    key: "move-tokens-per-step", defaultValue: "16",
    help: "KV tokens that a move ships per step; above 16 the source slows down",
    tried: ["1", "4", "16", "16", "32", "64"],
    tortured: ["1", "1", "2"])
  private static let lendQueueing = PolicyOption(
    key: "lend-while-queueing", defaultValue: "false",
    help: "true or false: instances with waiting requests lend too",
    tried: ["false", "false", "false", "true"])
  private static let giants = PolicyOption(
    key: "reserve-giants", defaultValue: "backfill",
    help:
      "while a request larger than an instance waits for memory, younger ones start if they are not expected to delay it "
      + "(backfill), never (hold) or always (none)",
    tried: ["backfill", "backfill", "backfill", "hold", "none"])
  private static let placement = PolicyOption(
    key: "placement", defaultValue: "balanced",
    help:
      "how a prompt lies on its home and its creditors: balanced (like parts of every chunk's work), home-first "
      + "(the home is filled, the rest in proportion to free memory) or pack (filled one after another)",
    tried: ["balanced", "balanced", "home-first", "pack"])
  private static let coupling = PolicyOption(
    key: "coupling", defaultValue: "contended",
    help:
      "how hosts pay for what they compute for others: contended (a GPU's time is spent once), or as earlier models have it, who give "
      + "much of it away: fluid (a share of the memory bandwidth of busy ones) or paper (a fixed charge per step of busy ones)",
    tried: ["contended", "paper", "fluid"])
  private static let minGain = PolicyOption(
    key: "min-gain", defaultValue: "0.01", help: "least gain of a planned move, of the pair's throughput",
    tried: ["0", "0", "0.001", "0.01"],
    tortured: ["0"])
  private static let cooldown = PolicyOption(
    key: "cooldown", defaultValue: "10", help: "periods for which roles are kept and landed blocks rest",
    tried: ["0", "0", "1", "3"],
    tortured: ["0"])
  private static let lendingOptions = [
    mode, debtorBatch, creditorUse, period, chunk, moveTokens, lendQueueing, giants, placement, spreadFrom,
    coupling,
    minGain, cooldown,
  ]

  private static func lending(_ options: OptionReader, _ all: [PolicyOption]) throws -> LendingOptions {
    // A policy may have other defaults for the same keys.
    func own(_ option: PolicyOption) -> PolicyOption { all.first { $0.key == option.key } ?? option }
    var lending = LendingOptions()
    lending.mode = try options.choice(own(mode), LendingMode.self)
    lending.debtorBatch = try options.integer(own(debtorBatch), 0...1_048_576)
    lending.creditorUtilisationPercent = try options.fraction(own(creditorUse), unit: 100)
    lending.period = try options.seconds(own(period))
    lending.borrowChunk = try options.integer(own(chunk), 1...1_048_576)
    lending.moveTokensPerStep = try options.integer(own(moveTokens), 1...1_048_576)
    lending.lendWhileQueueing = try options.bool(own(lendQueueing))
    lending.reserveGiants = try options.choice(own(giants), GiantReservation.self)
    lending.placement = try options.choice(own(placement), PlacementStyle.self)
    lending.coupling = try options.choice(own(coupling), Coupling.self)
    lending.minGainPermille = try options.fraction(own(minGain), unit: 1000)
    let from = try options.integer(spreadFrom, 0...100_000_000)
    lending.spreadFrom = from == 0 ? .max : from
    lending.cooldownPeriods = try options.integer(own(cooldown), 0...1_000_000)
    return lending
  }

  private static func makeDebtorCreditor(_ request: PolicyRequest, _ options: OptionReader) throws
    -> PolicyPlan
  {
    PolicyPlan(
      policy: DebtorCreditor(
        router: request.chosenRouter, lending: try lending(options, lendingOptions),
        steals: try options.bool(pooledSteal), shareFrom: try options.integer(shareFrom, 1...100_000_000)),
      layout: try smallInstances(request), multiple: 1, options: [:])
  }

  // MARK: - pooled

  private static let pooledSteal = PolicyOption(
    key: "steal", defaultValue: "true", help: stealing.help,
    tried: ["false", "false", "true"])
  private static let pooledMode = PolicyOption(
    key: "lending", defaultValue: "passive", help: mode.help,
    tried: ["proactive", "proactive", "proactive", "passive", "planner-only", "planner-only", "off"],
    tortured: ["proactive"])
  private static let ownRouting = PolicyOption(
    key: "pool-routing", defaultValue: "true",
    help: "true or false: to where a request can start, else to the common queue; false: --router",
    tried: ["true", "true", "false"])
  private static let spreadFrom = PolicyOption(
    key: "spread-from", defaultValue: "16384",
    help:
      "prompt tokens from which a prompt is long: homes of long prompts are kept apart, and with placement=balanced hosts take a part "
      + "of it although its home could hold it; 0: never",
    tried: ["0", "8", "40", "100", "200"])
  private static let nodeFirst = PolicyOption(
    key: "node-first", defaultValue: "true",
    help: "true or false: a prompt that its node can hold waits for the node's memory",
    tried: ["true", "false"])
  private static let shareFrom = PolicyOption(
    key: "share-from", defaultValue: "8192",
    help:
      "tokens per instance: a prompt that its home could hold is shared by as many as its tokens allow at so many each, and by two at least",
    tried: ["1", "16", "64"])
  private static let pooledOptions =
    [pooledSteal, pooledMode, ownRouting, nodeFirst, shareFrom]
    + lendingOptions.filter { $0.key != mode.key }

  private static func makePooled(_ request: PolicyRequest, _ options: OptionReader) throws -> PolicyPlan {
    let routesItself = try options.bool(ownRouting)
    return PolicyPlan(
      policy: Pooled(
        lending: try lending(options, pooledOptions), steals: try options.bool(pooledSteal),
        router: routesItself ? nil : request.chosenRouter,
        nodeFirst: try options.bool(nodeFirst), shareFrom: try options.integer(shareFrom, 1...100_000_000)),
      layout: try smallInstances(request), multiple: 1, options: [:], router: routesItself ? "its own" : "")
  }
}
