import Sim
import TestSupport
import Testing

/// Every time here is added up by hand from docs/layer-reference.md.
@Suite("Lending layer by layer, by hand")
struct LayerReferenceTests {
  /// Two layers, each 10 a token before attention and 20 after it; ps for whatever there is.
  static let costs = LayerCosts(
    layers: 2, embedding: { 3 * Int64($0) }, pre: { 2 * 10 * Int64($0) },
    post: { 2 * 20 * Int64($0) },
    head: { 7 * Int64($0) }, decode: { _, context, _ in 2 * (100 + Int64(context)) },
    prefillFloor: 2 * 50, prefillTokenRate: 2 * 4, prefillPairRate: 2, mergeFloor: 2 * 30,
    mergePerPartial: 2 * 2, queryBytes: 8, partialBytes: 16, kvBytes: 32)

  /// A byte takes 1 ps; the sizes below are such that rounding up adds none.
  static func link(latency: Int64 = 100) -> LinkCosts {
    LinkCosts(latency: latency, bytesPerSecond: 1e12)
  }

  static func cluster(
    _ requests: [LayerRequest], instances: Int = 2, latency: Int64 = 100,
    scheduler: LayerScheduler = .chunked,
    budget: Int = 4, prefill: LayerPrefill = .distributed, costs: LayerCosts = costs
  ) -> LayerCluster {
    LayerCluster(
      costs: costs, links: LayerCluster.links(instances: instances, link(latency: latency)),
      scheduler: scheduler, tokenBudget: budget, prefill: prefill, requests: requests)
  }

  static func run(_ cluster: LayerCluster) -> LayerRun {
    LayerReference.run(cluster, recordsWork: true)
  }

  /// What an instance's GPU worked for itself and for others, and waited.
  static func account(_ run: LayerRun, _ instance: Int) -> [Int64] {
    [run.gpus[instance].own, run.gpus[instance].others, run.gpus[instance].waited]
  }

  /// The first half of the prompt on the other instance.
  static let spread = LayerRequest(
    prompt: 8, output: 1, home: 0, pieces: [LayerPiece(instance: 1, tokens: 4)])
  /// All but one token of the prompt on instance `host`; the prompt is one chunk.
  static func lent(home: Int = 0, to host: Int = 1) -> LayerRequest {
    LayerRequest(prompt: 4, output: 2, home: home, pieces: [LayerPiece(instance: host, tokens: 3)])
  }

  // MARK: - One instance

  @Test(arguments: LayerScheduler.allCases)
  func `alone, a request takes the sum of its steps`(scheduler: LayerScheduler) {
    let run = Self.run(
      Self.cluster(
        [LayerRequest(prompt: 4, output: 3, home: 0)], instances: 1, scheduler: scheduler))
    // Embedding, two layers with 4 · 5 / 2 pairs, head.
    let prefill: Int64 = 4 * 3 + 2 * (4 * 10 + (50 + 4 * 4 + 10) + 4 * 20) + 7
    #expect(prefill == 411)
    #expect(run.requests[0].firstToken == prefill)
    // The new token attends to 5, then to 6.
    let decode: Int64 = 3 + 2 * (10 + 105 + 20) + 7
    #expect(decode == 280)
    #expect(run.requests[0].end == prefill + decode + (decode + 2))
    #expect(Self.account(run, 0) == [973, 0, 0])
    #expect(run.makespan == 973)
  }

  @Test func `host time comes before a step's kernels, or beside them`() {
    var costs = Self.costs
    (costs.hostBase, costs.hostPerSequence) = (250, 40)
    let request = LayerRequest(arrival: 5, prompt: 4, output: 2, home: 0)
    let before = Self.run(Self.cluster([request], costs: costs))
    #expect(before.requests[0].firstToken == 5 + 290 + 411)
    #expect(before.requests[0].end == 5 + 290 + 411 + 290 + 280)
    #expect(Self.account(before, 0) == [691, 0, 580])
    costs.overlapsHost = true
    let beside = Self.run(Self.cluster([request], costs: costs))
    #expect(beside.requests[0].firstToken == 5 + 411)
    #expect(beside.requests[0].end == 5 + 411 + 290)
  }

  @Test func `a step takes its launches' time at least`() {
    var costs = Self.costs
    (costs.decodeStepFloor, costs.prefillStepFloor, costs.hostBase) = (1_000, 400, 50)
    let run = Self.run(Self.cluster([LayerRequest(prompt: 4, output: 3, home: 0)], costs: costs))
    #expect(run.requests[0].firstToken == 50 + 411)
    #expect(run.requests[0].end == 50 + 411 + 2 * (50 + 1_000))
  }

  @Test func `a window bounds what is attended to, and what is asked of hosts`() {
    var costs = Self.costs
    costs.window = 3
    let request = LayerRequest(
      prompt: 4, output: 2, home: 0, pieces: [LayerPiece(instance: 1, tokens: 2)])
    let run = Self.run(Self.cluster([request], costs: costs))
    // 1 + 2 + 3 + 3 pairs; then the new token attends to itself and the last two of the prompt.
    let prefill: Int64 = 12 + 2 * (40 + (50 + 16 + 9) + 80) + 7
    let decode: Int64 = 3 + 2 * (10 + 103 + 20) + 7
    #expect(run.requests[0].firstToken == prefill)
    #expect(run.requests[0].end == prefill + decode)
    #expect(run.gpus[1].others == 0)
  }

  // MARK: - Batching

  @Test func `whole prompts share a step while the budget holds them, and decodes wait`() {
    let requests = [
      LayerRequest(prompt: 3, output: 2, home: 0), LayerRequest(prompt: 4, output: 1, home: 0),
    ]
    let together = Self.run(Self.cluster(requests, scheduler: .vllmV0, budget: 7))
    let first: Int64 = 7 * 3 + 2 * (70 + (50 + 7 * 4 + 6 + 10) + 140) + 2 * 7
    #expect(together.requests.map(\.firstToken) == [first, first])
    let apart = Self.run(Self.cluster(requests, scheduler: .vllmV0, budget: 6))
    let one: Int64 = 9 + 2 * (30 + (50 + 12 + 6) + 60) + 7
    #expect(apart.requests.map(\.firstToken) == [one, one + 411])
    // Context 4.
    #expect(apart.requests[0].end == one + 411 + 278)
    // A prompt above the budget is prefilled whole, alone.
    let large = Self.run(Self.cluster(requests, scheduler: .vllmV0, budget: 2))
    #expect(large.requests == apart.requests)
  }

  @Test func `a spread prompt is prefilled in chunks, and the others decode a token between two`() {
    var spread = Self.spread
    spread.arrival = 1
    let requests = [LayerRequest(prompt: 4, output: 2, home: 0), spread]
    let run = Self.run(Self.cluster(requests, scheduler: .vllmV0))
    // Its chunks take 404 and 1,059, and the other's token between them 280.
    let token: Int64 = 411 + 404 + 280
    #expect(run.requests.map(\.firstToken) == [411, token + 1_059])
    #expect(run.requests[0].end == token)
  }

  @Test func `what decodes leave of the budget prefills`() {
    let requests = [
      LayerRequest(prompt: 4, output: 2, home: 0),
      LayerRequest(arrival: 1, prompt: 3, output: 1, home: 0),
    ]
    let run = Self.run(Self.cluster(requests))
    // One token decodes with context 5, three prefill; two samples.
    let mixed: Int64 = 12 + 2 * (40 + 105 + (50 + 12 + 6) + 80) + 14
    #expect(run.requests.map(\.firstToken) == [411, 411 + mixed])
    #expect(run.requests.map(\.end) == [411 + mixed, 411 + mixed])
  }

  @Test(arguments: LayerScheduler.allCases)
  func `without a slot a request waits`(scheduler: LayerScheduler) {
    let request = LayerRequest(prompt: 4, output: 2, home: 0)
    var cluster = Self.cluster([request, request], scheduler: scheduler, budget: 100)
    cluster.mostSequences = 1
    let run = Self.run(cluster)
    #expect(run.requests.map(\.firstToken) == [411, 691 + 411])
    #expect(run.requests.map(\.end) == [691, 1_382])
  }

  // MARK: - Prefill spread over two instances

  @Test
  func `a chunk after tokens elsewhere waits for the longer of its own attention and the host's`() {
    // The first chunk asks nobody and samples nothing.
    let first: Int64 = 12 + 2 * (40 + 76 + 80)
    let asked: Int64 = (4 * 8 + 100) + (50 + 16) + (4 * 16 + 100)
    let second: Int64 = 12 + 2 * (40 + asked + (30 + 4 * 2) + 80) + 7
    #expect(first == 404 && asked == 362 && second == 1_059)
    let run = Self.run(Self.cluster([Self.spread]))
    #expect(run.requests[0].end == first + second)
    #expect(Self.account(run, 1) == [0, 132, 1_463 - 132])
    // 200 a token of its own: 860 in each layer, and the host is done long before.
    var costs = Self.costs
    costs.prefillTokenRate = 2 * 200
    let slow = Self.run(Self.cluster([Self.spread], costs: costs))
    let one: Int64 = 12 + 2 * (40 + 860 + 80)
    let two: Int64 = 12 + 2 * (40 + 860 + 38 + 80) + 7
    #expect(slow.requests[0].end == one + two)
  }

  @Test func `a chunk's layer waits until the keys of the chunk before have landed`() {
    let run = Self.run(Self.cluster([Self.spread], latency: 1_000))
    // Those of layer 0 left after 12 + 40 and take 128 + 1,000; the second chunk is there at 404 + 12.
    let landed: Int64 = 52 + 1_128
    let layer: Int64 = 40 + (1_032 + 66 + 1_064) + 38 + 80
    #expect(run.requests[0].end == landed + 2 * layer + 7)
  }

  @Test func `messages on one link leave one after the other`() {
    var costs = Self.costs
    costs.kvBytes = 512
    let run = Self.run(Self.cluster([Self.spread], costs: costs))
    // 2,048 bytes leave in 52..<2,100, those of the next layer in 2,100..<4,148: the query of 2,240 behind them.
    let pre: Int64 = 52 + 2_148 + 40
    #expect(pre == 2_240)
    let answered: Int64 = 4_148 + 132 + 66 + 164
    let rest: Int64 = 38 + 80 + (40 + 362 + 38 + 80) + 7
    #expect(run.requests[0].end == answered + rest)
  }

  @Test func `at home a spread prompt's attention is the home's, and keys are sent all the same`() {
    // 16 pairs more than the first chunk.
    let second: Int64 = 12 + 2 * (40 + 92 + 80) + 7
    let near = Self.run(Self.cluster([Self.spread], prefill: .home))
    #expect(near.requests[0].end == 404 + second)
    #expect(near.gpus[1].others == 0)
    let far = Self.run(Self.cluster([Self.spread], latency: 1_000, prefill: .home))
    #expect(far.requests[0].end == (52 + 1_128) + second - 12)
  }

  @Test func `free chunks cost nothing`() {
    let decoding = LayerRequest(prompt: 4, output: 2, home: 0)
    var costs = Self.costs
    costs.hostBase = 1_000
    let alone = Self.run(Self.cluster([Self.spread], prefill: .free, costs: costs))
    #expect(alone.requests[0].end == 2)
    var late = Self.spread
    late.arrival = 1
    let mixed = Self.run(Self.cluster([decoding, late], budget: 9, prefill: .free, costs: costs))
    #expect(mixed.requests.map(\.firstToken) == [1, 1 + 1_000 + 280])
  }

  // MARK: - Decoding with tokens elsewhere

  /// What a layer of one lent decode takes: 2 tokens at home take less than 3 on the host and the way there and back.
  static let lentLayer: Int64 = 10 + ((8 + 100) + 103 + (16 + 100)) + (30 + 2) + 20
  static let lentDecode: Int64 = 3 + 2 * lentLayer + 7

  @Test func `a decode waits for its host`() {
    let run = Self.run(Self.cluster([Self.lent()]))
    #expect(run.requests[0].firstToken == 411)
    #expect(run.requests[0].end == 411 + Self.lentDecode)
    #expect(run.gpus[1].others == 2 * 103)
  }

  @Test func `over a link that takes no time an idle host costs what its kernel does`() {
    var cluster = Self.cluster([Self.lent()], latency: 0)
    cluster.links = LayerCluster.links(
      instances: 2, LinkCosts(latency: 0, bytesPerSecond: .infinity))
    let run = Self.run(cluster)
    let decode: Int64 = 3 + 2 * (10 + max(102, 103) + 32 + 20) + 7
    #expect(run.requests[0].end == 411 + decode)
  }

  @Test func `of two homes that ask one host at the same moment the second waits for the first`() {
    let run = Self.run(Self.cluster([Self.lent(home: 1, to: 2), Self.lent(to: 2)], instances: 3))
    let alone = 411 + Self.lentDecode
    // Once: from then on the second is behind.
    #expect(run.requests.map(\.end) == [alone + 103, alone])
    #expect(run.gpus[2].others == 4 * 103)
  }

  @Test
  func
    `queries of all decoding requests go in one message, and their tokens are read in one kernel`()
  {
    let run = Self.run(Self.cluster([Self.lent(), Self.lent()], budget: 8))
    let first: Int64 = 24 + 2 * (80 + (50 + 32 + 20) + 160) + 14
    let layer: Int64 = 20 + ((16 + 100) + 106 + (32 + 100)) + (30 + 2 * 2) + 40
    let end: Int64 = first + 6 + 2 * layer + 14
    #expect(run.requests.map(\.end) == [end, end])
  }

  @Test func `the slowest of two hosts is waited for`() {
    let request = LayerRequest(
      prompt: 16, output: 2, home: 0,
      pieces: [
        LayerPiece(instance: 1, tokens: 3), LayerPiece(instance: 0, tokens: 2),
        LayerPiece(instance: 2, tokens: 10),
      ])
    let run = Self.run(Self.cluster([request], instances: 3, budget: 16))
    let first: Int64 = 48 + 2 * (160 + (50 + 64 + 136) + 320) + 7
    let layer: Int64 = 10 + (108 + 110 + 116) + (30 + 2 * 2) + 20
    #expect(run.requests[0].firstToken == first)
    #expect(run.requests[0].end == first + (3 + 2 * layer + 7))
    #expect(run.gpus.map(\.others) == [0, 2 * 103, 2 * 110])
  }

  @Test
  func
    `a busy host delays a query by one kernel at most, and its step by what it computes for others`()
  {
    let own = LayerRequest(prompt: 5, output: 30, home: 1)
    let run = Self.run(Self.cluster([Self.lent(), own], budget: 8))
    let alone = Self.run(Self.cluster([own], budget: 8))
    #expect(run.gpus[1].others == 206)
    #expect(run.requests[1].end == alone.requests[0].end + 206)
    let longest =
      run.work.filter { $0.instance == 1 && $0.asker == 1 }.map { $0.end - $0.begin }.max() ?? 0
    let partials = run.work.filter { $0.name == "partial" }
    #expect(partials.count == 2)
    #expect(partials.allSatisfy { $0.begin > $0.ready && $0.begin - $0.ready <= longest })
  }

  // MARK: - Comparing

  @Test func `errors are relative to the reference`() {
    let request = LayerRequest(arrival: 100, prompt: 4, output: 1, home: 0)
    let run = Self.run(Self.cluster([request, LayerRequest(prompt: 4, output: 1, home: 1)]))
    #expect(run.requests.map(\.end) == [511, 411])
    let errors = run.errors(of: [511 + 411, 411])
    #expect(errors.meanEndToEnd == 0.5 && errors.worstEndToEnd == 1)
    #expect(errors.makespan == Double(922 - 511) / 511)
  }
}
