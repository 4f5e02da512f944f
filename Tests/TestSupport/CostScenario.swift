import Sim
import Torture

/// A random model on random hardware, cut in a legal way and run by a random engine: a function of its seed.
public struct CostScenario: CustomStringConvertible, Sendable {
  public var seed: UInt64
  public var kind: Kind
  public var model: ModelSpec
  public var hardware: HardwareSpec
  public var shape: InstanceShape
  public var wiring: InstanceWiring
  public var engine: EngineProfile

  /// The kinds of models, each of which must be met often.
  public enum Kind: String, CaseIterable, Sendable { case mha, gqa, mqa, mla, window, experts, latentExperts }

  public var description: String {
    "\(kind.rawValue) \(model) on \(hardware.name), \(shape), \(engine.name) with \(engine.decodeKernel.rawValue)"
  }

  public init(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    self.seed = seed
    kind = random.pick(Kind.allCases)
    model = Self.model(kind, &random)
    hardware = Self.hardware(&random)
    let tp = random.pick(InstanceShape.legalTP(model: model, maximum: 16))
    let nodes = tp > 8 ? 2 : 1
    shape = InstanceShape(tp: tp, pp: random.integer(1...min(4, model.layers)), tpAcrossNodes: nodes > 1)
    if let experts = model.experts, experts.count.isMultiple(of: tp) {
      shape.expertParallel = random.chance(50)
    }
    wiring = InstanceWiring(
      tpNodes: nodes, stageLink: random.pick(LinkCatalog.all).costs,
      interNode: random.pick(LinkCatalog.all).costs)
    engine = random.pick(EngineCatalog.all)
    engine.decodeKernel = random.pick(DecodeKernel.allCases)
    if random.chance(30) { engine.launchFloorPerLayer = Double(random.integer(1...1_000)) }
    if random.chance(30) { engine.prefillLaunchFloorPerLayer = Double(random.integer(1...1_000)) }
    if random.chance(30) { engine.graphSizes = GraphSizes(largest: random.pick([8, 250, 512])) }
    engine.overlapsHost = random.chance(50)
    if random.chance(30) { model.weights = random.pick(WeightFormat.allCases) }
    if random.chance(30) { model.experts?.weights = random.pick(WeightFormat.allCases) }
  }

  private static func model(_ kind: Kind, _ random: inout SeededRandom) -> ModelSpec {
    let heads = random.pick([8, 16, 32, 40, 64, 128])
    let kvHeads =
      switch kind {
      case .mha: heads
      case .gqa, .window, .experts: heads / random.pick([1, 2, 4, 8])
      case .mqa, .mla, .latentExperts: 1
      }
    var model = ModelSpec(
      name: "random", layers: random.integer(1...80), hidden: 128 * random.integer(4...96), queryHeads: heads,
      kvHeads: kvHeads, headDim: random.pick([64, 128, 128, 256]),
      intermediate: 256 * random.integer(4...128),
      vocab: random.integer(1_000...200_000), maxPosition: 4_096, gatedFFN: random.chance(80),
      tiedEmbeddings: random.chance(30))
    if random.chance(20) { model.kvBytesPerElement = 1 }
    if kind == .window { model.window = random.integer(1...8_192) }
    if kind == .mla || kind == .latentExperts {
      model.latent = LatentAttention(
        rank: 128 * random.integer(1...8), ropeDim: 64, valueDim: random.pick([64, 128]),
        queryRank: random.chance(50) ? 1_536 : nil)
    }
    if kind == .experts || kind == .latentExperts {
      let count = random.pick([4, 8, 16, 64])
      model.experts = MixtureOfExperts(
        count: count, perToken: random.integer(1...4), intermediate: 128 * random.integer(2...64),
        shared: random.integer(0...2), denseLayers: random.integer(0...(model.layers - 1)))
    }
    return model
  }

  /// A profile of the catalogue, sometimes with other constants.
  private static func hardware(_ random: inout SeededRandom) -> HardwareSpec {
    var hardware = random.pick(HardwareCatalog.all)
    if random.chance(50) {
      func factor() -> Double { Double(random.integer(50...200)) / 100 }
      hardware.gemm.floor *= factor()
      hardware.gemm.bytesPerSecond *= factor()
      hardware.gemm.flopsPerSecond *= factor()
      hardware.balancedDecode.bytesPerSecond *= factor()
      hardware.waveDecode.blockBytesPerSecond *= factor()
      hardware.unsplitDecode.bytesPerSecond *= factor()
      hardware.latentDecode.perKey *= factor()
      hardware.prefillAttention.flopsPerSecond *= factor()
      hardware.experts.bytesPerSecond *= factor()
    }
    return hardware
  }
}
