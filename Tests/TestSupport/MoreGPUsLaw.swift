import Policies
import Sim
import Torture

/// More GPUs never lengthen the time to first token of a prompt that has the cluster for itself, where instances
/// lend: it is judged from single runs, with the costs of a real model.
public enum MoreGPUsLaw {
  /// Tries a prompt of random length on clusters that contain each other. Returns what the seed went through.
  /// - Throws: `LawViolation`.
  public static func check(policy name: String, engine: EngineKind, seed: UInt64) throws -> [Sight] {
    var random = SeededRandom(seed: seed ^ 0x6B75)
    var cluster = LoneCluster(
      policy: name, engine: engine,
      model: random.pick([ModelCatalog.llama7B, ModelCatalog.llama7B, ModelCatalog.llama13B]))
    cluster.gpusPerNode = random.pick([1, 2, 4, 8, 16, 16, 16])
    cluster.options["spread-from"] = random.pick(["16384", "16384", "4096", "0"])
    cluster.options["share-from"] = random.pick(["8192", "8192", "2048"])
    if random.chance(30) { cluster.engine.maxNumBatchedTokens = random.pick([512, 1024, 8192]) }
    // From less than an instance holds to more than four do.
    let prompt = random.integer(1_000...cluster.tokens * random.pick([1, 2, 4, 6]))
    let times = try [2, 3, 4, 6, 8, 12, 16].map { try cluster.timeToFirstToken(prompt, instances: $0) }
    let known = times.compactMap { $0 }
    if let k = known.indices.dropFirst().first(where: { known[$0] > known[$0 - 1] }) {
      throw LawViolation(
        law: "more GPUs never lengthen a lone prompt's time to first token", seed: seed,
        details:
          "\(prompt) tokens, \(known[k - 1]) ps and on more instances \(known[k]) ps; \(times); \(cluster)")
    }
    let isGiant = prompt > cluster.tokens
    let inNode = cluster.gpusPerNode == 16
    return [
      Sight("a prompt larger than an instance", floor: 25, isGiant),
      Sight("larger than two", floor: 13, prompt > 2 * cluster.tokens),
      Sight("some GPUs are too few", floor: 14, known.count < times.count),
      Sight("more GPUs shorten it", floor: 30, Set(known).count > 1),
      Sight(
        "every one of them in one node", floor: 36, inNode && isGiant ? Set(known).count == known.count : nil),
    ]
  }

  /// In one node, each more of the GPUs shortens a prompt of 400,000 tokens.
  /// - Throws: `LawViolation`.
  public static func checkLong(policy name: String, engine: EngineKind) throws {
    for model in [ModelCatalog.llama7B, ModelCatalog.llama13B] {
      var cluster = LoneCluster(policy: name, engine: engine, model: model)
      cluster.gpusPerNode = 32
      let sizes = [4, 6, 8, 12, 16, 32]
      let times = try sizes.map { try cluster.timeToFirstToken(400_000, instances: $0) }
      let known = times.compactMap { $0 }
      guard known.count > 3, zip(known, known.dropFirst()).allSatisfy({ $0 > $1 }) else {
        throw LawViolation(
          law: "in one node each more GPU shortens a prompt of 400,000 tokens", seed: 0,
          details: "on \(sizes): \(times) ps; \(cluster)")
      }
    }
  }
}

/// A cluster of single GPUs as the command line makes them, whose nodes are filled one after another.
private struct LoneCluster: CustomStringConvertible {
  var policy: String
  var engine = EngineOptions()
  var model: ModelSpec
  var gpusPerNode = 8
  var options: [String: String] = ["placement": "balanced"]
  private let hardware = HardwareCatalog.a100Measured
  private let blocks: Int

  init(policy: String, engine kind: EngineKind, model: ModelSpec) {
    (self.policy, self.model) = (policy, model)
    engine.kind = kind
    engine.maxNumBatchedTokens = kind == .vllmV0 ? 4096 : 2048
    let capacity = try? KVCapacity(
      model: model, hardware: hardware, shape: InstanceShape(tp: 1, pp: 1),
      settings: KVMemorySettings(
        utilisation: 0.9, blockSize: 16, maxBatchedTokens: engine.maxNumBatchedTokens, maxSequences: 256))
    blocks = capacity?.blocks ?? 0
  }

  /// Tokens that an instance holds.
  var tokens: Int { blocks * engine.blockSize }

  /// `nil` if the cluster cannot hold it. It is the first of two tokens.
  func timeToFirstToken(_ prompt: Int, instances: Int) throws -> Int64? {
    let nodes = (instances + gpusPerNode - 1) / gpusPerNode
    let cluster = ClusterSpec(nodes: nodes, gpusPerNode: gpusPerNode, hardware: hardware)
    let plan = try PolicyCatalog.make(
      policy,
      PolicyRequest(
        cluster: cluster, model: model, tp: 1, pp: 1, instances: instances, router: nil, options: options))
    let layout = plan.layout
    let configuration = SimulationConfiguration(
      topology: InstanceTopology(
        nodeOfInstance: layout.instances.map(layout.homeNode(of:)), withinNode: hardware.queuedLink.costs,
        acrossNodes: cluster.interNodeLink.costs, gpus: instances),
      costs: try InstanceCosts(
        model: model, hardware: hardware, shape: layout.shape, wiring: layout.wiring(of: InstanceID(0))),
      blocksPerInstance: blocks, engine: engine)
    let first = FirstToken()
    _ = try Trial.simulate(
      configuration, policy: plan.policy,
      source: ArraySource([TraceRequest(arrival: .zero, prompt: prompt, output: 2)]), observer: first)
    return first.time
  }

  var description: String {
    "\(policy), \(engine.kind.rawValue), \(model.name), \(gpusPerNode) GPUs a node, \(blocks) blocks, "
      + "budget \(engine.maxNumBatchedTokens), "
      + options.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }.joined(separator: " ")
  }
}

private final class FirstToken: RunObserver {
  private(set) var time: Int64?
  func requestEnded(_ record: RequestRecord) { time = record.ttft?.picoseconds }
}
