import CMalloc
import Glibc
import Policies
import Sim

// The event loop alone, on generated requests: what `Benchmarks/instructions` and `Benchmarks/scaling` count and time.
//
//   loop [policy=vllm-m] [engine=vllm-v0] [profile=vllm] [instances=4] [requests=2000] [gap=50000] [output=100] [giants=0]
//        [period=0.5]
//
// `gap` is the mean time between two arrivals on one instance in microseconds, `output` the mean output; one request in
// `giants` is larger than an instance and has a mean output of 100. One JSON line on stdout.

var options: [String: String] = [:]
for argument in CommandLine.arguments.dropFirst() {
  let parts = argument.split(separator: "=", maxSplits: 1).map(String.init)
  guard parts.count == 2 else { fatalError("\(argument): expected key=value") }
  options[parts[0]] = parts[1]
}

@MainActor func number(_ key: String, _ fallback: Int) -> Int {
  guard let text = options.removeValue(forKey: key) else { return fallback }
  guard let value = Int(text), value >= 0 else { fatalError("\(key)=\(text): expected a whole number") }
  return value
}

/// Requests that are drawn when they are asked for.
struct Requests: RequestSource {
  let info: RequestSourceInfo
  let gap: Int
  let output: Int
  let giants: Int
  private let draws = RandomStream(seed: 1, name: "loop")
  private var position = 0
  private var clock: Int64 = 0

  init(count: Int, gap: Int, output: Int, giants: Int) {
    (self.gap, self.output, self.giants) = (gap, output, giants)
    // The window for throughput ends at about the last arrival.
    info = RequestSourceInfo(count: count, lastArrival: SimTime(picoseconds: Int64(count) * Int64(gap)))
  }

  mutating func next() -> TraceRequest? {
    guard position < info.count else { return nil }
    defer { position += 1 }
    if position > 0 { clock += Int64(draws.integer(below: 2 * gap + 1, entity: position, ordinal: 0)) }
    let isGiant = giants > 0 && position % giants == giants - 1
    return TraceRequest(
      arrival: SimTime(picoseconds: clock),
      prompt: 1 + draws.integer(below: 600, entity: position, ordinal: 1) + (isGiant ? 46_000 : 0),
      output: 1 + draws.integer(below: 2 * (isGiant ? 100 : output) - 1, entity: position, ordinal: 2))
  }
}

/// Seconds of a clock that only goes forward.
func seconds() -> Double {
  var time = timespec()
  clock_gettime(CLOCK_MONOTONIC, &time)
  return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
}

/// A policy whose planning is timed, and has a name that callgrind can be told.
final class Watched: SchedulingPolicy {
  let policy: any SchedulingPolicy
  var rounds = 0
  /// Requests that were running or waiting, summed over the rounds.
  var live = 0
  var planning = 0.0

  init(_ policy: any SchedulingPolicy) { self.policy = policy }

  var name: String { policy.name }
  var lending: LendingOptions { policy.lending }
  var steals: Bool { policy.steals }

  func route(_ request: RequestView, _ cluster: borrowing ClusterView) -> InstanceID {
    policy.route(request, cluster)
  }

  func lend(_ ask: LoanRequest, _ cluster: borrowing ClusterView) -> [LoanPiece]? {
    policy.lend(ask, cluster)
  }

  func plan(_ map: borrowing PlacementMap) -> [MoveOrder] {
    rounds += 1
    for i in 0..<map.count {
      let report = map.report(InstanceID(i))
      live += report.batch + report.queued
    }
    let begin = seconds()
    defer { planning += seconds() - begin }
    return watchedPlan(map)
  }

  @inline(never)
  private func watchedPlan(_ map: borrowing PlacementMap) -> [MoveOrder] { policy.plan(map) }
}

/// The most bytes that were allocated at once, looked at now and then.
final class Heap {
  var peak = 0
  func look() {
    let used = mallinfo2()
    peak = max(peak, Int(used.uordblks) + Int(used.hblkhd))
  }
}

let policyName = options.removeValue(forKey: "policy") ?? "vllm-m"
let engineName = options.removeValue(forKey: "engine") ?? "vllm-v0"
let profileName = options.removeValue(forKey: "profile") ?? "vllm"
let period = options.removeValue(forKey: "period") ?? "0.5"
let instances = number("instances", 4)
let requests = Requests(
  count: number("requests", 2000), gap: number("gap", 50_000) * 1_000_000 / max(instances, 1),
  output: number("output", 100), giants: number("giants", 0))
guard let kind = EngineKind(rawValue: engineName), let profile = EngineCatalog.named(profileName),
  options.isEmpty, instances > 0
else { fatalError("what is this: \(engineName) \(profileName) \(options)") }

guard let model = ModelCatalog.named("llama2-7b"), let hardware = HardwareCatalog.named("a100-40gb") else {
  fatalError("the catalogue has no llama2-7b or a100-40gb")
}
let cluster = ClusterSpec(nodes: (instances + 7) / 8, gpusPerNode: min(instances, 8), hardware: hardware)
var engine = EngineOptions()
engine.kind = kind
// Named here, so that other defaults do not change what is counted.
engine.maxNumBatchedTokens = kind == .chunked ? 2048 : 4096
engine.maxNumSeqs = 256
let request = PolicyRequest(
  cluster: cluster, model: model, tp: 1, pp: 1, instances: nil, router: .roundRobin,
  options: policyName == "debtor-creditor" ? ["period": period] : [:])
let plan = try PolicyCatalog.make(policyName, request)
let layout = plan.layout
let configuration = SimulationConfiguration(
  topology: InstanceTopology(
    nodeOfInstance: (0..<layout.count).map { $0 / 8 }, withinNode: hardware.queuedLink.costs,
    acrossNodes: cluster.interNodeLink.costs, gpus: cluster.gpus),
  costs: try InstanceCosts(
    model: model, hardware: hardware, shape: layout.shape, wiring: layout.wiring(of: InstanceID(0)),
    engine: profile),
  blocksPerInstance: 2819, engine: engine, measured: hardware.measured)

let policy = Watched(plan.policy)
let heap = Heap()
let begin = seconds()
let summary = try Simulation(configuration, policy: policy).run(requests) { _ in heap.look() }
let elapsed = seconds() - begin
heap.look()
print(
  """
  {"fingerprint": "\(summary.fingerprint)", "load": \(summary.load.map { "\"\($0.label.rawValue)\"" } ?? "null"), "requests": \(summary.arrived), \
  "completed": \(summary.completed), "preemptions": \(summary.preemptions), "events": \(summary.events), \
  "decode_steps": \(summary.decodeSteps), \
  "mean_batch": \(Double(summary.outputTokens) / Double(max(summary.decodeSteps, 1))), "instances": \(summary.instances), \
  "borrowed_blocks_peak": \(summary.borrowedBlocksPeak), "moved_blocks": \(summary.movedBlocks), \
  "makespan_s": \(summary.makespanSeconds.map { "\($0)" } ?? "null"), "loop_s": \(elapsed), "rounds": \(policy.rounds), \
  "plan_s": \(policy.planning), "live": \(Double(policy.live) / Double(max(policy.rounds, 1))), "heap_bytes": \(heap.peak)}
  """)
