import Policies
import Sim
import Workloads

/// The one place that knows the policies' and the engine's construction.
extension RunPlan {
  /// The keys that `--option` takes when these policies run; throws for a policy that does not exist.
  package static func optionKeys(policies: [String]) throws -> [String] {
    let keys = try policies.flatMap { name in
      guard let policy = PolicyCatalog.all.first(where: { $0.name == name }) else {
        throw OptionError.unknownName(option: "policy", found: name, valid: PolicyCatalog.all.map(\.name))
      }
      return policy.options.map(\.key)
    }
    return Array(Set(keys + EngineOption.all.map(\.key) + ManagerOption.all.map(\.key))).sorted()
  }

  /// The plan of `policy` under the options of the command line.
  ///
  /// `longest` gives the tokens of the trace's longest request, if it is known in advance; only a policy that is sized by it
  /// asks, and only if `--longest` says nothing.
  package static func make(
    policy: String, options given: RunOptions, pairs: OptionPairs, scope: LayoutScope,
    longest: () throws -> Int? = { nil }
  ) throws -> RunPlan {
    var scope = scope
    let machine = try Machine(given)
    var options = given
    options.engine = machine.engine.scheduler
    var request = PolicyRequest(
      cluster: machine.cluster, model: machine.model, tp: options.tp ?? 1, pp: options.pp ?? 1,
      expertParallel: options.expertParallel, instances: options.instances, router: options.router,
      options: pairs.only(try optionKeys(policies: [policy])))
    if scope == .itself, policy == "vllm-s" { try describeSingle(&request, options) }
    if PolicyCatalog[policy]?.sizedByLongest == true {
      let options = options
      // It chooses its layout itself: the options can only describe the small instance.
      scope = .vllmM
      // What is beyond the context is rejected or cut.
      let tokens = min(
        try Self.longest(policy, options, longest), options.maxModelLen.tokens(for: machine.model))
      request.longest = LongestRequest(tokens: tokens) { shape, multiple in
        var warnings: [String] = []
        let memory = try InstanceMemory(
          of: shape, multiple: multiple, maxNumSeqs: nil, policy: policy, on: machine, options: options,
          pairs: pairs, scope: .vllmM, warnings: &warnings)
        return memory.capacity.blocks > 0
          && BlockLimits(blocks: memory.blocks, engine: memory.engine).holds(total: tokens)
      }
    }
    // What is idle must be legal too.
    var unused = EngineOptions()
    try EngineOption.apply(pairs, to: &unused)
    let messages = try managers(options, pairs)
    let made = try PolicyCatalog.make(policy, request)
    if let window = machine.model.window, made.policy.lending.mode != .off {
      throw CommandFailure(
        .usage,
        "\(policy) lends KV blocks, which a sliding window makes pointless: what leaves the \(window) tokens of "
          + "\(machine.model.name) needs no host; give --option lending=off or another policy")
    }
    let idle = IdleOption.of(options, pairs, messages, PlacedPolicy(policy, made), scope: scope) {
      [request] key, value in
      var other = request
      other.options[key] = value
      return (try? PolicyCatalog.make(policy, other)).map { PlacedPolicy(policy, $0) }
    }
    // Runs that differ in what is idle alone are the same run, with the same manifest.
    let effective = pairs.without(idle)
    for key in pairs.values.keys where effective.values[key] == nil { request.options[key] = nil }
    var used = options
    // What the profile runs is no choice of the command line, which would bring vLLM's limits of that scheduler.
    used.engine = given.engine
    for option in idle.map(\.option) {
      switch option {
      case "--router": request.router = nil
      case "--expert-parallel": request.expertParallel = false
      case "--inter-node": used.interNode = nil
      default: break
      }
    }
    let usedMachine = try Machine(used)
    request.cluster = usedMachine.cluster
    let placed = PlacedPolicy(policy, try PolicyCatalog.make(policy, request))
    var plan = try RunPlan(
      placing: placed, on: usedMachine, options: used, pairs: effective, scope: scope
    ) { [request] configuration in
      { source, observer, onProgress in
        // A policy keeps state: every run gets a fresh one.
        let policy = try PolicyCatalog.make(policy, request).policy
        do {
          return try Simulation(configuration, policy: policy, observer: observer)
            .run(source, onProgress: onProgress)
        } catch SimulationError.tooManyFaults(let most, let begins, let time) where most.last != nil {
          // The engine knows of no file, and advises an end.
          let error = SimulationError.tooManyFaults(most: most, begins: begins, before: time)
          throw CommandFailure(
            .badData,
            "\(error)".replacing(
              "an end with last-s", with: "an earlier end than last-s \(most.last?.seconds ?? 0)"))
        }
      }
    }
    plan.idle += idle
    return plan
  }

  /// Tokens of the longest request, as told or as the trace has it.
  private static func longest(
    _ policy: String, _ options: RunOptions, _ ofTrace: () throws -> Int?
  ) throws -> Int {
    if let given = options.longest { return given }
    let isStream = TraceFile.isStream(path: options.source)
    if !isStream, let found = try ofTrace() { return found }
    throw CommandFailure(
      .usage,
      "\(policy) is sized by the longest request, and \(options.source) does not say in advance which that is (a stream, a "
        + "closed loop, or redraws of a generator): give --longest TOKENS, its prompt + output"
        + (isStream ? ", and a file, since streams are not replayed" : ""))
  }

  /// Under `run` the layout options are those of vllm-s's one instance, unless an option of its own says other.
  private static func describeSingle(_ request: inout PolicyRequest, _ options: RunOptions) throws {
    if let instances = options.instances, instances != 1 {
      throw CommandFailure(
        .usage, "--instances \(instances): vllm-s is one instance over all GPUs; leave it out or give 1")
    }
    if let tp = options.tp, request.options["vllm-s-tp"] == nil {
      let legal = InstanceShape.legalTP(model: request.model, maximum: request.cluster.gpus)
      guard legal.contains(tp) else {
        throw ClusterError.illegalTP(tp: tp, model: request.model.name, legal: legal)
      }
      request.options["vllm-s-tp"] = String(tp)
    }
    if let pp = options.pp, request.options["vllm-s-pp"] == nil { request.options["vllm-s-pp"] = String(pp) }
    (request.tp, request.pp, request.instances) = (1, 1, nil)
  }
}

extension PlacedPolicy {
  init(_ name: String, _ made: PolicyPlan) {
    self.init(
      name: name, layout: made.layout, multiple: made.multiple, maxNumSeqs: made.maxNumSeqs,
      options: made.options, router: made.router, lending: made.policy.lending, sizing: made.sizing)
  }
}
