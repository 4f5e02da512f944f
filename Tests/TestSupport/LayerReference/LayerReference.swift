import Sim

/// Lending simulated layer by layer: every kernel and every message of every step is an event (docs/layer-reference.md).
///
/// It knows nothing of the engine and its oracle but specifications and operator costs. Plain and slow: some dozens of
/// requests on a few instances.
public struct LayerReference {
  struct Instance {
    var gpu: LayerGPU
    /// Requests that no step has begun, in order of arrival.
    var waiting: [Int] = []
    /// The one whose prompt some steps have begun and none has ended.
    var prompt: Int?
    /// Whether its last step computed a chunk of that one (`vllm-v0`).
    var hasChunked = false
    /// Requests that decode.
    var decoding: [Int] = []
    var step: LayerStep?
  }

  struct RequestState {
    /// Tokens of the prompt that are computed.
    var prefilled = 0
    /// Tokens of the output that are there.
    var emitted = 0
    var firstToken: Int64?
    var end: Int64?
    /// Messages with keys and values that have not landed, by layer.
    var keysUnderWay: [Int]
  }

  let cluster: LayerCluster
  var instances: [Instance]
  var states: [RequestState]
  var events = LayerEvents()
  private var links: [[LayerLink]]
  private let recordsWork: Bool
  private var log: [LayerRun.Work] = []

  var now: Int64 { events.now }

  private init(_ cluster: LayerCluster, recordsWork: Bool) {
    self.cluster = cluster
    self.recordsWork = recordsWork
    let start = cluster.requests.map(\.arrival).min() ?? 0
    instances = cluster.links.indices.map { Instance(gpu: LayerGPU(instance: $0, from: start)) }
    states = cluster.requests.map { _ in
      RequestState(keysUnderWay: Array(repeating: 0, count: cluster.costs.layers))
    }
    links = cluster.links.map { $0.map(LayerLink.init) }
  }

  /// Runs all requests of `cluster` to their ends. Traps on a cluster that is not sound.
  public static func run(_ cluster: LayerCluster, recordsWork: Bool = false) -> LayerRun {
    cluster.check()
    var reference = LayerReference(cluster, recordsWork: recordsWork)
    for (request, found) in cluster.requests.enumerated() {
      reference.events.add(.arrival(request: request), at: found.arrival)
    }
    while let event = reference.events.next() { reference.handle(event) }
    return reference.close()
  }

  private mutating func handle(_ event: LayerEvent) {
    switch event {
    case .arrival(let request):
      let home = cluster.requests[request].home
      instances[home].waiting.append(request)
      events.add(.stepMayBegin(instance: home), at: now)
    case .stepMayBegin(let i): beginStep(i)
    case .kernelsBegin(let i):
      if let step = instances[i].step { work(.embedding, step.plan.embedding, on: i) }
    case .workMayBegin(let i): beginWork(i)
    case .workEnds(let i): endWork(i)
    case .queryLands(let ask, let home, let layer):
      let duration = cluster.costs.share(of: ask.work, layer: layer)
      give(LayerWork(kind: .partial(ask), asker: home, ready: now, duration: duration), to: ask.host)
    case .answerLands(let home):
      instances[home].step?.missing -= 1
      mergeIfComplete(home)
    case .keysLand(let request, let layer):
      states[request].keysUnderWay[layer] -= 1
      let home = cluster.requests[request].home
      if let step = instances[home].step, step.waitsForKeys { beginLayer(home) }
    case .stepEnds(let i): endStep(i)
    }
  }

  /// Gives a GPU a piece of work.
  mutating func give(_ work: LayerWork, to instance: Int) {
    instances[instance].gpu.give(work)
    events.add(.workMayBegin(instance: instance), at: now)
  }

  private mutating func beginWork(_ i: Int) {
    guard let work = instances[i].gpu.begin(at: now) else { return }
    let end = now + work.duration
    events.add(.workEnds(instance: i), at: end)
    if recordsWork {
      log.append(
        LayerRun.Work(
          instance: i, asker: work.asker, name: work.kind.name, ready: work.ready, begin: now, end: end))
    }
  }

  private mutating func endWork(_ i: Int) {
    let work = instances[i].gpu.end(at: now)
    events.add(.workMayBegin(instance: i), at: now)
    if case .partial(let ask) = work.kind {
      let landed = send(bytes: cluster.costs.partialBytes * ask.queries, from: i, to: work.asker)
      events.add(.answerLands(home: work.asker), at: landed)
    } else {
      goOn(i, after: work.kind)
    }
  }

  /// Sends a message, and says when it lands.
  mutating func send(bytes: Int, from source: Int, to destination: Int) -> Int64 {
    links[source][destination].send(bytes: bytes, at: now)
  }

  private mutating func close() -> LayerRun {
    let requests = zip(cluster.requests, states).map { request, state in
      guard let firstToken = state.firstToken, let end = state.end else {
        preconditionFailure("every request ends: \(request)")
      }
      return LayerRun.Request(arrival: request.arrival, firstToken: firstToken, end: end)
    }
    let start = requests.map(\.arrival).min() ?? 0
    let end = requests.map(\.end).max() ?? 0
    return LayerRun(
      requests: requests, gpus: instances.indices.map { instances[$0].gpu.close(at: end) },
      makespan: end - start, work: log)
  }
}
