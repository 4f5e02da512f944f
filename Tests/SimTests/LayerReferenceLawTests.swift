import Sim
import TestSupport
import Testing
import Torture

/// What holds of the layer-by-layer reference whatever it is given.
@Suite("Lending layer by layer, laws")
struct LayerReferenceLawTests {
  static let seeds: ClosedRange<UInt64> = 1...300

  /// A small cluster with simple costs: a function of its seed.
  static func cluster(seed: UInt64) -> LayerCluster {
    var random = SeededRandom(seed: seed)
    let instances = random.integer(1...4)
    let links = (0..<instances).map { _ in
      (0..<instances).map { _ in
        LinkCosts(
          latency: Int64(random.integer(0...3_000)),
          bytesPerSecond: 1e12 / Double(1 << random.integer(0...4)))
      }
    }
    let requests = (0..<random.integer(1...12)).map { _ in
      let prompt = random.integer(1...40)
      var left = prompt
      var pieces: [LayerPiece] = []
      while random.chance(50), left > 0 {
        pieces.append(
          LayerPiece(
            instance: random.integer(0...(instances - 1)), tokens: random.integer(0...left)))
        left -= pieces.last?.tokens ?? 0
      }
      return LayerRequest(
        arrival: Int64(random.integer(0...20_000)), prompt: prompt, output: random.integer(1...10),
        home: random.integer(0...(instances - 1)), pieces: pieces)
    }
    return LayerCluster(
      costs: costs(&random), links: links, scheduler: random.pick(LayerScheduler.allCases),
      tokenBudget: random.integer(1...40), mostSequences: random.integer(1...8),
      prefill: random.pick(LayerPrefill.allCases), requests: requests)
  }

  private static func costs(_ random: inout SeededRandom) -> LayerCosts {
    func rate(_ most: Int) -> Int64 { Int64(random.integer(1...most)) }
    let (embedding, pre, post, head) = (rate(20), rate(100), rate(100), rate(50))
    let (decodeFloor, decodeRate, reachRate) = (rate(500), rate(20), rate(40))
    return LayerCosts(
      layers: random.integer(1...4), embedding: { embedding * Int64($0) },
      pre: { 200 + pre * Int64($0) },
      post: { 300 + post * Int64($0) }, head: { head * Int64($0) },
      decode: { decodeFloor + max(decodeRate * Int64($1), reachRate * Int64($2)) },
      prefillFloor: rate(500), prefillReachRate: rate(10), prefillTokenRate: rate(50),
      prefillPairRate: rate(20),
      mergeFloor: rate(100), mergePerPartial: rate(10),
      window: random.chance(20) ? random.integer(1...30) : .max,
      queryBytes: random.integer(1...50), partialBytes: random.integer(1...50),
      kvBytes: random.integer(1...50),
      hostBase: random.chance(50) ? 0 : rate(2_000), hostPerSequence: rate(100),
      overlapsHost: random.chance(50), decodeStepFloor: random.chance(80) ? 0 : rate(5_000),
      prefillStepFloor: random.chance(80) ? 0 : rate(8_000))
  }

  static func withEverySeed(_ body: (_ seed: UInt64, LayerCluster) throws -> Void) rethrows {
    for seed in seeds { try body(seed, cluster(seed: seed)) }
  }

  @Test func `the clusters lend, spread prompts and queue often enough`() {
    var (lent, spread, queued) = (0, 0, 0)
    Self.withEverySeed { _, cluster in
      let run = LayerReference.run(cluster, recordsWork: true)
      let partials = run.work.filter { $0.name == "partial" }
      lent += partials.isEmpty ? 0 : 1
      spread +=
        cluster.requests.contains { !$0.hosts.isEmpty && $0.prompt > cluster.tokenBudget } ? 1 : 0
      queued += partials.contains { $0.begin > $0.ready } ? 1 : 0
    }
    let all = Self.seeds.count
    #expect(
      2 * lent > all && 5 * spread > 2 * all && 4 * queued > all,
      "\(lent), \(spread), \(queued) of \(all)")
  }

  @Test func `a GPU's time is spent once: own, others and waiting are the makespan`() {
    Self.withEverySeed { seed, cluster in
      let run = LayerReference.run(cluster, recordsWork: true)
      for (instance, gpu) in run.gpus.enumerated() {
        #expect(gpu.own >= 0 && gpu.others >= 0 && gpu.waited >= 0, "seed \(seed)")
        #expect(gpu.own + gpu.others + gpu.waited == run.makespan, "seed \(seed)")
        let work = run.work.filter { $0.instance == instance }
        #expect(
          gpu.own == work.reduce(0) { $0 + ($1.asker == instance ? $1.end - $1.begin : 0) },
          "seed \(seed)")
        #expect(
          gpu.others == work.reduce(0) { $0 + ($1.asker == instance ? 0 : $1.end - $1.begin) })
      }
    }
  }

  @Test func `a GPU works in order of readiness, its own first, and never stands idle beside work`() {
    Self.withEverySeed { seed, cluster in
      let run = LayerReference.run(cluster, recordsWork: true)
      for instance in run.gpus.indices {
        let work = run.work.filter { $0.instance == instance }
        for (one, next) in zip(work, work.dropFirst()) {
          #expect(next.begin == max(next.ready, one.end), "seed \(seed)")
          func key(_ work: LayerRun.Work) -> (Int64, Int) {
            (work.ready, work.asker == instance ? -1 : work.asker)
          }
          #expect(key(one) <= key(next), "seed \(seed)")
        }
      }
    }
  }

  @Test func `every request ends after its first token, and that comes after its arrival`() {
    Self.withEverySeed { seed, cluster in
      for (request, times) in zip(cluster.requests, LayerReference.run(cluster).requests) {
        #expect(
          times.arrival == request.arrival && times.firstToken > times.arrival, "seed \(seed)")
        #expect(
          request.output == 1 ? times.end == times.firstToken : times.end > times.firstToken,
          "seed \(seed)")
      }
    }
  }

  @Test func `twice the same`() {
    Self.withEverySeed { seed, cluster in
      let (one, two) = (
        LayerReference.run(cluster, recordsWork: true),
        LayerReference.run(cluster, recordsWork: true)
      )
      #expect("\(one)" == "\(two)", "seed \(seed)")
    }
  }

  @Test func `without pieces the links do not matter, and instances do not know each other`() {
    Self.withEverySeed { seed, cluster in
      var cluster = cluster
      for request in cluster.requests.indices { cluster.requests[request].pieces = [] }
      let run = LayerReference.run(cluster)
      #expect(run.gpus.allSatisfy { $0.others == 0 }, "seed \(seed)")
      var far = cluster
      far.links = LayerCluster.links(
        instances: cluster.links.count, LinkCosts(latency: 1_000_000_000, bytesPerSecond: 1))
      #expect(LayerReference.run(far) == run, "seed \(seed)")
      for home in run.gpus.indices {
        let places = cluster.requests.indices.filter { cluster.requests[$0].home == home }
        var alone = cluster
        alone.requests = places.map { cluster.requests[$0] }
        #expect(
          LayerReference.run(alone).requests == places.map { run.requests[$0] }, "seed \(seed)")
      }
    }
  }

  @Test func `pieces at home are no pieces`() {
    Self.withEverySeed { seed, cluster in
      var (bare, atHome) = (cluster, cluster)
      for request in cluster.requests.indices {
        bare.requests[request].pieces = []
        for piece in cluster.requests[request].pieces.indices {
          atHome.requests[request].pieces[piece].instance = cluster.requests[request].home
        }
      }
      #expect(LayerReference.run(bare) == LayerReference.run(atHome), "seed \(seed)")
    }
  }

  @Test func `when everything takes twice as long, so does the run`() {
    Self.withEverySeed { seed, cluster in
      // A free step takes 1 ps whatever the unit, and a total that layers do not divide is rounded.
      guard cluster.prefill != .free, cluster.costs.layers.nonzeroBitCount == 1 else { return }
      let (whole, doubled) = (Self.slowed(cluster, by: 1 << 24), Self.slowed(cluster, by: 1 << 25))
      let (one, two) = (LayerReference.run(whole), LayerReference.run(doubled))
      #expect(two.makespan == 2 * one.makespan, "seed \(seed)")
      #expect(two.requests.map(\.end) == one.requests.map { 2 * $0.end }, "seed \(seed)")
    }
  }

  private static func slowed(_ cluster: LayerCluster, by factor: Int64) -> LayerCluster {
    var slow = cluster
    let costs = cluster.costs
    slow.costs.embedding = { factor * costs.embedding($0) }
    slow.costs.pre = { factor * costs.pre($0) }
    slow.costs.post = { factor * costs.post($0) }
    slow.costs.head = { factor * costs.head($0) }
    slow.costs.decode = { factor * costs.decode($0, $1, $2) }
    let rates: [WritableKeyPath<LayerCosts, Int64>] = [
      \.prefillFloor, \.prefillReachRate, \.prefillTokenRate, \.prefillPairRate, \.mergeFloor,
      \.mergePerPartial, \.hostBase, \.hostPerSequence, \.decodeStepFloor, \.prefillStepFloor,
    ]
    for rate in rates { slow.costs[keyPath: rate] *= factor }
    for (source, links) in cluster.links.enumerated() {
      for (destination, link) in links.enumerated() {
        // 2¹² bytes per second are whole picoseconds for a byte, 5¹².
        slow.links[source][destination] = LinkCosts(
          latency: factor * link.latency,
          bytesPerSecond: link.bytesPerSecond / 1e12 * 0x1p36 / Double(factor))
      }
    }
    for request in cluster.requests.indices { slow.requests[request].arrival *= factor }
    return slow
  }

  @Test func `the layers' parts add up to the total, whatever it is`() {
    var costs = LayerReferenceTests.costs
    costs.layers = 7
    costs.pre = { 1_000_003 * Int64($0) }
    let cluster = LayerReferenceTests.cluster(
      [LayerRequest(prompt: 4, output: 1, home: 0)], costs: costs)
    let work = LayerReferenceTests.run(cluster).work.filter { $0.name == "pre" }
    #expect(work.count == 7)
    #expect(work.reduce(0) { $0 + $1.end - $1.begin } == 4 * 1_000_003)
  }
}

/// The reference with the operators' costs, against what `infinite-sim cost iteration` adds up.
@Suite("Lending layer by layer, costs")
struct LayerReferenceCostTests {
  @Test func `on one instance, equal requests take the sum of their iterations`() throws {
    for seed in UInt64(1)...200 {
      var scenario = CostScenario(seed: seed)
      scenario.shape.pp = 1
      let costs = try InstanceCosts(
        model: scenario.model, hardware: scenario.hardware, shape: scenario.shape,
        wiring: scenario.wiring,
        engine: scenario.engine)
      let layers = try LayerCosts(
        model: scenario.model, hardware: scenario.hardware, shape: scenario.shape,
        wiring: scenario.wiring,
        engine: scenario.engine)
      var random = SeededRandom(seed: seed)
      let (count, prompt, output) = (
        random.integer(1...6), random.integer(1...3_000), random.integer(1...12)
      )
      let run = LayerReference.run(
        LayerCluster(
          costs: layers, links: LayerCluster.links(instances: 1, scenario.wiring.interNode),
          scheduler: random.pick(LayerScheduler.allCases), tokenBudget: count * prompt,
          requests: Array(
            repeating: LayerRequest(prompt: prompt, output: output, home: 0), count: count)))
      let first = try #require(costs.time(of: Iteration(prompts: count, newTokens: prompt)))
      var end = first
      for step in stride(from: 1, to: output, by: 1) {
        end += try #require(costs.time(of: Iteration(sequences: count, context: prompt + step)))
      }
      #expect(
        run.requests.allSatisfy { $0.firstToken == first && $0.end == end },
        "seed \(seed): \(scenario)")
    }
  }

  @Test func `both sides of attention cost something, more for more tokens`() throws {
    for model in ModelCatalog.all {
      let hardware = HardwareCatalog.a100Measured
      let tp = InstanceShape.legalTP(model: model, maximum: 8).last ?? 1
      let costs = try LayerCosts(
        model: model, hardware: hardware, shape: InstanceShape(tp: tp), wiring: .inOneNode(hardware)
      )
      for side in [costs.pre, costs.post] {
        #expect(side(0) == 0 && side(1) > 0 && side(4_096) > side(1))
      }
      // QKV and the output projection are the smaller part of a layer.
      #expect(costs.pre(2_048) < costs.post(2_048))
    }
  }

  @Test
  func
    `a chunk split over two instances costs the GPUs its pairs and a floor, a merge and no more`()
    throws
  {
    let (model, hardware) = (ModelCatalog.llama13B, HardwareCatalog.a100Measured)
    let shape = InstanceShape(tp: 1)
    let wiring = InstanceWiring.inOneNode(hardware)
    let costs = try LayerCosts(model: model, hardware: hardware, shape: shape, wiring: wiring)
    func run(_ pieces: [LayerPiece]) -> LayerRun {
      LayerReference.run(
        LayerCluster(
          costs: costs, links: LayerCluster.links(instances: 2, hardware.queuedLink.costs),
          scheduler: .chunked, tokenBudget: 2_048,
          requests: [LayerRequest(prompt: 4_096, output: 1, home: 0, pieces: pieces)]))
    }
    let (home, spread) = (run([]), run([LayerPiece(instance: 1, tokens: 2_048)]))
    let pairs = costs.prefillPairRate * 2_048 * 2_048
    #expect(spread.gpus[1].others == costs.prefillFloor + pairs)
    let merge = costs.mergeFloor + costs.mergePerPartial * 2_048
    #expect(spread.gpus[0].own == home.gpus[0].own - pairs - costs.prefillReachRate * 2_048 + merge)
  }
}
