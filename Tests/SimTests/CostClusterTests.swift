import Sim
import Testing

@Suite("Models, shapes and layouts")
struct CostClusterTests {
  private func cluster(_ nodes: Int, _ gpusPerNode: Int) -> ClusterSpec {
    ClusterSpec(nodes: nodes, gpusPerNode: gpusPerNode, hardware: HardwareCatalog.a100Measured)
  }

  @Test func `presets have the published parameter counts and KV sizes`() {
    // By hand for 7B: 32 · (4 · 4096² + 3 · 4096 · 11008 + 2 · 4096) + 2 · 32000 · 4096 + 4096.
    #expect(ModelCatalog.llama7B.parameters == 6_738_415_616)
    #expect(ModelCatalog.llama13B.parameters == 13_015_864_320)
    #expect(ModelCatalog.llama70B.parameters == 68_976_648_192)
    #expect(ModelCatalog.llama7B.kvBytesPerToken == 524_288)
    #expect(ModelCatalog.llama13B.kvBytesPerToken == 819_200)
    #expect(ModelCatalog.llama70B.kvBytesPerToken == 327_680)
    #expect(ModelCatalog.llama13B.weightBytes == 26_031_728_640)
    for model in ModelCatalog.all { #expect(ModelCatalog.named(model.name) == model) }
  }

  @Test func `a dimension out of range or heads that do not divide make no model`() throws {
    for model in ModelCatalog.all { try model.validate() }
    var model = ModelCatalog.llama7B
    model.hidden = -4_096
    #expect(
      throws: ModelSpecError.outOfRange(
        model: "llama2-7b", dimension: "hidden", found: -4_096, limit: 1 << 20)
    ) { try model.validate() }
    model = ModelCatalog.llama7B
    model.layers = .max
    #expect(throws: ModelSpecError.self) { try model.validate() }
    model = ModelCatalog.llama7B
    model.kvHeads = 5
    #expect(throws: ModelSpecError.unevenHeads(model: "llama2-7b", queryHeads: 32, kvHeads: 5)) {
      try model.validate()
    }
  }

  @Test func `legal TP degrees are those of semantics 13`() {
    #expect(InstanceShape.legalTP(model: ModelCatalog.llama7B, maximum: 64) == [1, 2, 4, 8, 16, 32])
    #expect(InstanceShape.legalTP(model: ModelCatalog.llama13B, maximum: 64) == [1, 2, 4, 8])
    #expect(InstanceShape.legalTP(model: ModelCatalog.llama70B, maximum: 64) == [1, 2, 4, 8, 16, 32, 64])
    #expect(InstanceShape.legalTP(model: ModelCatalog.llama70B, maximum: 8) == [1, 2, 4, 8])
  }

  @Test func `an illegal TP is refused with the legal ones`() {
    for tp in [0, -1, 3, 5, 10, 16] {
      let error = #expect(throws: ClusterError.self) {
        try InstanceShape(tp: tp).validate(for: ModelCatalog.llama13B)
      }
      #expect(error?.description.contains("legal TP: 1, 2, 4, 8") == true)
    }
  }

  @Test func `instances fill the nodes in order`() throws {
    let layout = try ClusterLayout.make(cluster: cluster(2, 8), shape: InstanceShape(tp: 2))
    #expect(layout.count == 8)
    #expect(layout.idleGPUs == 0)
    #expect(layout.instances.map { layout.homeNode(of: $0) } == [0, 0, 0, 0, 1, 1, 1, 1])
    #expect(layout.sameNode(InstanceID(0), InstanceID(3)))
    #expect(!layout.sameNode(InstanceID(3), InstanceID(4)))
    #expect(layout.link(from: InstanceID(0), to: InstanceID(3)) == LinkCatalog.nvlink3.costs)
    #expect(layout.link(from: InstanceID(3), to: InstanceID(4)) == LinkCatalog.hdr200.costs)
    #expect(layout.wiring(of: InstanceID(0)) == .inOneNode(HardwareCatalog.a100Measured))
  }

  @Test func `a TP group never straddles nodes that it fits`() throws {
    let layout = try ClusterLayout.make(cluster: cluster(2, 8), shape: InstanceShape(tp: 3))
    #expect(layout.count == 4)
    #expect(layout.idleGPUs == 4)
    #expect(layout.instances.map { layout.nodes(of: $0) } == [[0], [0], [1], [1]])
  }

  @Test func `pipeline stages may cross nodes and then hand off over the slower link`() throws {
    let layout = try ClusterLayout.make(cluster: cluster(4, 8), shape: InstanceShape(tp: 8, pp: 4))
    #expect(layout.count == 1)
    #expect(layout.nodes(of: InstanceID(0)) == [0, 1, 2, 3])
    let wiring = layout.wiring(of: InstanceID(0))
    #expect(wiring.tpNodes == 1)
    #expect(wiring.stageLink == LinkCatalog.hdr200.costs)

    let narrow = try ClusterLayout.make(cluster: cluster(2, 6), shape: InstanceShape(tp: 2, pp: 2))
    #expect(narrow.count == 3)
    #expect(narrow.wiring(of: InstanceID(0)).stageLink == LinkCatalog.nvlink3.costs)
    #expect(narrow.wiring(of: InstanceID(1)).stageLink == LinkCatalog.hdr200.costs)
    #expect(!narrow.sameNode(InstanceID(0), InstanceID(1)))
  }

  @Test func `TP beyond a node needs leave and then spans nodes`() throws {
    #expect(throws: ClusterError.tpExceedsNode(tp: 32, gpusPerNode: 8)) {
      _ = try ClusterLayout.make(cluster: cluster(4, 8), shape: InstanceShape(tp: 32))
    }
    let layout = try ClusterLayout.make(
      cluster: cluster(4, 8), shape: InstanceShape(tp: 32, tpAcrossNodes: true))
    #expect(layout.count == 1)
    #expect(layout.wiring(of: InstanceID(0)).tpNodes == 4)
    #expect(layout.nodes(of: InstanceID(0)) == [0, 1, 2, 3])
  }

  @Test func `the cluster's own inter-node link replaces the hardware's`() throws {
    let slow = ClusterSpec(
      nodes: 2, gpusPerNode: 1, hardware: HardwareCatalog.a100Measured,
      interNodeLink: LinkCatalog.ethernet1g)
    let layout = try ClusterLayout.make(cluster: slow, shape: InstanceShape())
    #expect(layout.link(from: InstanceID(0), to: InstanceID(1)) == LinkCatalog.ethernet1g.costs)
    #expect(layout.wiring(of: InstanceID(0)).interNode == LinkCatalog.ethernet1g.costs)
  }

  @Test func `fewer instances may be asked than fit, and never more`() throws {
    #expect(try ClusterLayout.make(cluster: cluster(1, 8), shape: InstanceShape(), instances: 3).count == 3)
    #expect(
      throws: ClusterError.tooManyInstances(asked: 5, fitting: 4, shape: InstanceShape(tp: 2), gpus: 8)
    ) { _ = try ClusterLayout.make(cluster: cluster(1, 8), shape: InstanceShape(tp: 2), instances: 5) }
    #expect(
      throws: ClusterError.tooManyInstances(asked: 1, fitting: 0, shape: InstanceShape(tp: 8, pp: 2), gpus: 8)
    ) { _ = try ClusterLayout.make(cluster: cluster(1, 8), shape: InstanceShape(tp: 8, pp: 2)) }
    for bad in [0, -1, .max] {
      #expect(throws: ClusterError.self) {
        _ = try ClusterLayout.make(cluster: cluster(1, 8), shape: InstanceShape(), instances: bad)
      }
      #expect(throws: ClusterError.self) {
        _ = try ClusterLayout.make(cluster: cluster(bad, 8), shape: InstanceShape())
      }
      #expect(throws: ClusterError.self) {
        _ = try ClusterLayout.make(cluster: cluster(1, 8), shape: InstanceShape(pp: bad))
      }
    }
  }
}
