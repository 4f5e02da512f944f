/// Attention as the formula says, in Double: the judge of every kernel.
///
/// Logits first, all of them; then their maximum, the exponentials, and the weighted sum of values. Inputs are the
/// rounded elements themselves, so what is measured against it is arithmetic alone.
public enum Oracle {
  /// The state of `query` over `part`.
  public static func partial(_ query: AttentionQuery, over part: KVPart) -> AttentionState<Double> {
    query.check(over: part)
    let (shape, store) = (query.shape, part.store)
    let dim = shape.headDim
    var state = AttentionState<Double>(identity: shape)
    let queries = query.values.floats(0..<query.values.count).map(Double.init)
    var logits = [Double](repeating: 0, count: part.count * shape.group * shape.queries)
    for head in 0..<shape.kvHeads {
      let rows = (0..<shape.queries).flatMap { query in
        (0..<shape.group).map { query * shape.queryHeads + head * shape.group + $0 }
      }
      forEachToken(of: part) { token, position, block, offset in
        let start = store.layout.index(block: block, offset: offset, head: head)
        store.keys.withFloats(start..<start + dim) { key in
          for (index, row) in rows.enumerated() {
            let asking = row / shape.queryHeads
            var product = 0.0
            for element in 0..<dim { product += queries[row * dim + element] * Double(key[element]) }
            var logit = product * Double(query.scale)
            if let bias = query.bias { logit += Double(bias[asking * part.count + token]) }
            logits[index * part.count + token] = query.sees(asking, position) ? logit : -.infinity
          }
        }
      }
      for (index, row) in rows.enumerated() {
        for token in index * part.count..<(index + 1) * part.count {
          let logit = logits[token]
          if logit.isNaN || logit > state.maximum[row] { state.maximum[row] = logit }
          if logit.isNaN { break }
        }
        guard state.maximum[row] != -.infinity else { continue }
        for token in index * part.count..<(index + 1) * part.count {
          logits[token] = Double.exponential(logits[token] - state.maximum[row])
          state.sum[row] += logits[token]
        }
      }
      let seeing = rows.enumerated().filter { state.maximum[$0.element] != -.infinity }
      forEachToken(of: part) { token, _, block, offset in
        let start = store.layout.index(block: block, offset: offset, head: head)
        store.values.withFloats(start..<start + dim) { value in
          for (index, row) in seeing {
            let weight = logits[index * part.count + token]
            for element in 0..<dim { state.output[row * dim + element] += weight * Double(value[element]) }
          }
        }
      }
    }
    return state
  }

  /// Calls `body` with each token's number from 0, its position, and where it lies.
  private static func forEachToken(
    of part: KVPart, _ body: (_ token: Int, _ position: Int, _ block: Int, _ offset: Int) -> Void
  ) {
    for index in part.range {
      let (block, offset, position) = part.locate(index)
      body(index - part.range.lowerBound, position, block, offset)
    }
  }
}
