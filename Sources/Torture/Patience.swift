import Sim

/// How long a scenario may take once nothing comes and nothing fails any more: as long as all its work one after the other,
/// every request alone on the cluster (docs/faults.md).
///
/// Batches, and instances beside each other, only save time: what a step costs for many is at most what it costs for each.
/// So an instance that has work and idles, or work that is done twice without a preemption, is late.
struct Patience {
  /// Every prompt once, and every token; and the costliest prefill, which a preempted request may do again, ps.
  private var once = 0.0
  private var again = 0.0

  init(_ scenario: PolicyScenario, _ lending: LendingOptions) {
    let configuration = scenario.configuration
    let (costs, options) = (configuration.costs, configuration.engine)
    let (straggle, links) = Self.lasting(configuration.faults)
    let topology = configuration.topology
    let reachable =
      lending.mode == .off
      ? [] : [topology.withinNode, Self.slowed(topology.acrossNodes, by: links)]
    // A host that debtors use shares its time, of which they leave it a tenth at least; a source of moves is slower.
    var slowdown = straggle
    if lending.mode != .off {
      switch lending.coupling {
      case .paper: break
      case .fluid: slowdown *= 10
      // They leave it a twentieth, and it waits for theirs as long.
      case .contended: slowdown *= 40
      }
      slowdown *= 1 + 0.086 / 16 * Double(max(0, lending.moveTokensPerStep - 16))
    }
    func time(_ iteration: Iteration) -> Double { costs.time(of: iteration).map(Double.init) ?? .infinity }
    let stages = Double(costs.stages)
    for request in scenario.requests {
      let length = request.prompt + request.output
      // The prompt and all of its tokens, in chunks beside a full batch (or, with hosts, of the budget), its blocks on the
      // farthest host.
      var prefill = time(Iteration(prompts: 1, newTokens: length))
      if options.kind == .chunked || !reachable.isEmpty {
        let beside = options.kind == .chunked ? options.maxNumSeqs : 0
        let chunks = (length - 1) / max(1, options.maxNumBatchedTokens - beside)
        prefill += Double(chunks) * time(Iteration(prompts: 1, newTokens: 1, cachedTokens: length - 1))
      }
      let exchanges = reachable.map { link in
        costs.exchange(over: link, queries: length) + link.latency
          + link.transfer(bytes: length * costs.kvBytesPerTokenPerStage) + costs.prefillFloor
      }
      if let exchange = exchanges.max() {
        let pairs = Double(costs.prefillPairRate) * Double(length) * Double(length)
        prefill += stages * (Double(exchange) + pairs)
      }
      var step = time(Iteration(sequences: 1, context: length))
      if let remote = reachable.map({ costs.remotePath(over: $0, queries: 1, tokens: length) }).max() {
        // And as much again for what the home hosts of others.
        step +=
          stages
          * Double(remote + costs.mergeFloor + costs.mergePerPartial + costs.contextRate * Int64(length))
      }
      once += slowdown * (prefill + Double(request.output) * step)
      again = max(again, slowdown * prefill)
    }
    // A step that is under way when a link is mended ends at the old pace.
    let longest = scenario.requests.map { $0.prompt + $0.output }.max() ?? 0
    let slowest = Self.slowestLink(configuration.faults)
    if slowest > 1, !reachable.isEmpty {
      let links = [topology.withinNode, topology.acrossNodes].map { Self.slowed($0, by: slowest) }
      once += links.map { stages * Double(costs.exchange(over: $0, queries: longest)) }.max() ?? 0
    }
    // A padded batch costs its longest prompt for each.
    if options.padded { once += again * Double(scenario.requests.count) }
  }

  /// - Parameter restarts: how often a request was preempted and computed again.
  func time(restarts: Int) -> SimDuration {
    SimDuration(picoseconds: Int64(min(once + again * Double(restarts), 0x1p62)))
  }

  /// The factors of stragglers and slow links that never end.
  private static func lasting(_ faults: FaultPlan) -> (straggle: Double, links: Double) {
    var (straggle, links) = (1.0, 1.0)
    for timed in faults.timed where timed.end == nil {
      switch timed.fault {
      case .straggler(_, let permille): straggle = max(straggle, Double(permille) / 1_000)
      case .linkSlowdown(_, let permille): links = max(links, Double(permille) / 1_000)
      case .crash, .nodeLoss, .linkLoss, .managerCrash, .memoryShrink: break
      }
    }
    return (straggle, links)
  }

  /// The factor of the slowest that a link ever is.
  private static func slowestLink(_ faults: FaultPlan) -> Double {
    (faults.timed.map(\.fault) + faults.random.map(\.fault)).reduce(1) { slowest, fault in
      if case .linkSlowdown(_, let permille) = fault {
        max(slowest, Double(permille) / 1_000)
      } else {
        slowest
      }
    }
  }

  private static func slowed(_ link: LinkCosts, by factor: Double) -> LinkCosts {
    LinkCosts(
      latency: Int64(Double(link.latency) * factor), bytesPerSecond: link.bytesPerSecond / factor)
  }
}
