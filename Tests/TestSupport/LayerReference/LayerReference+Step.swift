/// A step under way.
struct LayerStep {
  var batch: LayerBatch
  var plan: LayerPlan
  var begin: Int64
  var kernelsBegin: Int64
  var layer = 0
  /// Whether the layer cannot begin because keys and values of an earlier chunk have not landed.
  var waitsForKeys = false
  /// Whether the layer's attention at home is done.
  var hasAttended = false
  /// Hosts of the layer that have not answered.
  var missing = 0
}

extension LayerReference {
  /// Begins a step of instance `i` if none is under way and there is something to do.
  mutating func beginStep(_ i: Int) {
    guard instances[i].step == nil else { return }
    let batch = nextBatch(of: i)
    guard !batch.isEmpty else { return }
    var charged = batch
    if cluster.prefill == .free { charged.chunks = [] }
    let plan = plan(charged)
    let kernelsBegin = cluster.costs.overlapsHost ? now : now + plan.host
    instances[i].step = LayerStep(batch: batch, plan: plan, begin: now, kernelsBegin: kernelsBegin)
    if charged.isEmpty {
      events.add(.stepEnds(instance: i), at: now + 1)
    } else {
      events.add(.kernelsBegin(instance: i), at: kernelsBegin)
    }
  }

  /// Gives the GPU of instance `i` a piece of its own step's work.
  mutating func work(_ kind: LayerWork.Kind, _ duration: Int64, on i: Int) {
    give(LayerWork(kind: kind, asker: i, ready: now, duration: duration), to: i)
  }

  /// Begins the next layer of instance `i`, unless keys and values that belong to it are still on their way.
  mutating func beginLayer(_ i: Int) {
    guard var step = instances[i].step else { return }
    let requests = step.batch.decodes + step.batch.chunks.map(\.request)
    step.waitsForKeys = requests.contains { states[$0].keysUnderWay[step.layer] > 0 }
    instances[i].step = step
    if !step.waitsForKeys { work(.pre, share(step.plan.pre, step), on: i) }
  }

  /// One layer's part of a total.
  private func share(_ total: Int64, _ step: LayerStep) -> Int64 {
    cluster.costs.share(of: total, layer: step.layer)
  }

  /// Goes on with the step of instance `i` after a piece of its own work.
  mutating func goOn(_ i: Int, after kind: LayerWork.Kind) {
    guard var step = instances[i].step else { preconditionFailure("own work belongs to a step") }
    switch kind {
    case .embedding: beginLayer(i)
    case .pre:
      step.hasAttended = false
      step.missing = step.plan.asks.count
      instances[i].step = step
      send(step, from: i)
      work(.attention, share(step.plan.attention, step), on: i)
    case .attention:
      instances[i].step?.hasAttended = true
      mergeIfComplete(i)
    case .merge: work(.post, share(step.plan.post, step), on: i)
    case .post:
      step.layer += 1
      instances[i].step = step
      if step.layer < cluster.costs.layers {
        beginLayer(i)
      } else if step.plan.samples > 0 {
        work(.head, step.plan.head, on: i)
      } else {
        endKernels(i)
      }
    case .head: endKernels(i)
    case .partial: preconditionFailure("a host's work for others is no part of its step")
    }
  }

  /// Sends a layer's queries, then the new keys and values that belong elsewhere.
  private mutating func send(_ step: LayerStep, from i: Int) {
    for ask in step.plan.asks {
      let landed = send(bytes: cluster.costs.queryBytes * ask.queries, from: i, to: ask.host)
      events.add(.queryLands(ask, home: i, layer: step.layer), at: landed)
    }
    for shipment in step.plan.shipments {
      let landed = send(bytes: cluster.costs.kvBytes * shipment.tokens, from: i, to: shipment.host)
      states[shipment.request].keysUnderWay[step.layer] += 1
      events.add(.keysLand(request: shipment.request, layer: step.layer), at: landed)
    }
  }

  /// Merges once the home's own attention and all answers are there.
  mutating func mergeIfComplete(_ i: Int) {
    guard let step = instances[i].step, step.hasAttended, step.missing == 0 else { return }
    if step.plan.asks.isEmpty {
      work(.post, share(step.plan.post, step), on: i)
    } else {
      work(.merge, share(step.plan.merge, step), on: i)
    }
  }

  /// The last kernel is done: the step ends when launches and the host are, too.
  private mutating func endKernels(_ i: Int) {
    guard let step = instances[i].step else { return }
    let end = max(now, step.kernelsBegin + step.plan.floor)
    let host = cluster.costs.overlapsHost ? step.begin + step.plan.host : end
    events.add(.stepEnds(instance: i), at: max(end, host))
  }

  /// Hands out the step's tokens.
  mutating func endStep(_ i: Int) {
    guard let step = instances[i].step else { return }
    instances[i].step = nil
    for chunk in step.batch.chunks {
      states[chunk.request].prefilled += chunk.new
      if states[chunk.request].prefilled == cluster.requests[chunk.request].prompt {
        states[chunk.request].firstToken = now
        instances[i].decoding.append(chunk.request)
        emit(chunk.request)
      }
    }
    for request in step.batch.decodes { emit(request) }
    events.add(.stepMayBegin(instance: i), at: now)
  }

  private mutating func emit(_ request: Int) {
    states[request].emitted += 1
    guard states[request].emitted == cluster.requests[request].output else { return }
    states[request].end = now
    instances[cluster.requests[request].home].decoding.removeAll { $0 == request }
  }
}
