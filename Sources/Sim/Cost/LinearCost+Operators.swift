/// What `LinearCost` adds up, operator by operator.
extension LinearCost {
  /// The operators of one layer on `tokens` tokens, averaged over layers that differ; their times add to
  /// `layer(tokens:)`.
  public func operators(tokens: Int) -> [OperatorCost] {
    let stream = tokens * model.hidden
    let written = Double(tokens * model.kvBytesPerTokenPerLayer(tp: tp))
    var all = projections.map { product($0, rows: tokens) }
    // Bytes read and written per element: as in the data-sheet profiles.
    all.append(elementwise("norms", hardware.rmsNorm, elements: stream, calls: 2, bytesPerElement: 4))
    all.append(
      elementwise("rotary embedding", hardware.rope, elements: tokens * rotatedElements, bytesPerElement: 4))
    all.append(
      elementwise("residual adds", residualAdd, elements: stream, calls: 2, bytesPerElement: 6))
    // Where attention was measured with the write in it, there is no other.
    let write = hardware.kvWrite.microseconds(bytes: written)
    if write > 0 {
      all.append(
        OperatorCost(name: "KV write", kind: .elementwise, microseconds: write, bytes: 2 * written))
    }
    all += feedForwardOperators(tokens: tokens)
    if tp > 1 {
      let bytes = activationBytes(tokens)
      all.append(
        OperatorCost(
          name: "all-reduce", kind: .communication, calls: 2, microseconds: 2 * allReduce(bytes),
          bytes: 2 * Double(bytes) * 2 * Double(tp - 1) / Double(tp)))
    }
    return all
  }

  /// The embedding of `tokens` tokens, one call.
  public func embeddingOperator(tokens: Int) -> OperatorCost {
    elementwise("embedding", hardware.embedding, elements: tokens * model.hidden, bytesPerElement: 4)
  }

  /// The LM head on `samples` tokens, one call.
  public func headOperator(samples: Int) -> OperatorCost {
    product(
      Projection(
        name: "LM head", inner: model.hidden, columns: (model.vocab + tp - 1) / tp, isIn16Bits: true),
      rows: samples)
  }

  /// One hand-off of `tokens` activations over `link`.
  public func handoffOperator(tokens: Int, link: LinkCosts) -> OperatorCost {
    let bytes = Double(activationBytes(tokens))
    return OperatorCost(
      name: "pipeline hand-off", kind: .communication, microseconds: handoff(tokens: tokens, link: link),
      bytes: bytes / Double(tp) + bytes * Double(tp - 1) / Double(tp))
  }

  private func feedForwardOperators(tokens: Int) -> [OperatorCost] {
    let dense = denseOperators(tokens: tokens, intermediate: model.intermediate)
    guard let experts = model.experts else { return dense }
    let share = Double(experts.denseLayers) / Double(model.layers)
    let mixed = expertOperators(tokens: tokens, experts).map { $0.scaled(by: 1 - share) }
    return (share > 0 ? dense.map { $0.scaled(by: share) } : []) + mixed
  }

  private func denseOperators(tokens: Int, intermediate: Int) -> [OperatorCost] {
    let matrices = feedForward(intermediate: intermediate).map { product($0, rows: tokens) }
    let activation = elementwise(
      "activation", hardware.activation, elements: tokens * (intermediate / tp),
      bytesPerElement: model.gatedFFN ? 6 : 4)
    return [matrices[0], activation] + matrices[1...]
  }

  private func expertOperators(tokens: Int, _ experts: MixtureOfExperts) -> [OperatorCost] {
    let width = experts.intermediate / (tp / expertRanks)
    let call = MoECall(
      tokens: tokens, hidden: model.hidden, intermediate: width, experts: experts.count,
      perToken: experts.perToken, ranks: expertRanks)
    let weights = 3 * Double(model.hidden) * Double(width)
    let rows = Double(tokens * experts.perToken) / Double(expertRanks)
    let format = experts.weights ?? model.weights
    let kernel = hardware.experts(format, ranks: expertRanks)
    let reached = ExpertLoad.powerLaw(skew: Self.expertSkew, call: call).reached
    var all = [
      product(
        Projection(name: "router", inner: model.hidden, columns: experts.count, isIn16Bits: true),
        rows: tokens),
      OperatorCost(
        name: "routed experts", kind: .matrix, microseconds: routed?.microseconds(tokens: tokens) ?? 0,
        bytes: kernel.bytesPerWeight * reached * weights + 4 * rows * Double(model.hidden),
        flops: 2 * rows * weights, bits: hardware.measuredExperts(format) != nil && format != .bf16 ? 8 : 16),
    ]
    if experts.shared > 0 {
      let parts = denseOperators(tokens: tokens, intermediate: experts.shared * experts.intermediate)
      all.append(
        OperatorCost(
          name: "shared experts", kind: .matrix, calls: Double(parts.count),
          microseconds: parts.reduce(0) { $0 + $1.microseconds }, bytes: parts.reduce(0) { $0 + $1.bytes },
          flops: parts.reduce(0) { $0 + $1.flops }, bits: parts.map(\.bits).min() ?? 16))
    }
    return all
  }

  private func product(_ matrix: Projection, rows: Int) -> OperatorCost {
    let kernel = kernel(of: matrix)
    return OperatorCost(
      name: matrix.name, kind: .matrix,
      microseconds: kernel.microseconds(rows: rows, inner: matrix.inner, columns: matrix.columns),
      bytes: kernel.bytes(rows: rows, inner: matrix.inner, columns: matrix.columns),
      flops: 2 * Double(rows) * Double(matrix.inner) * Double(matrix.columns),
      bits: kernel.bytesPerInput == 1 ? 8 : 16)
  }

  private func elementwise(
    _ name: String, _ cost: ElementwiseCost, elements: Int, calls: Double = 1, bytesPerElement: Double
  ) -> OperatorCost {
    OperatorCost(
      name: name, kind: .elementwise, calls: calls,
      microseconds: calls * cost.microseconds(elements: elements),
      bytes: calls * Double(elements) * bytesPerElement)
  }
}
