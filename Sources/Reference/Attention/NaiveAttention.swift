/// Attention as a framework computes it without a fused kernel, in the cache's own format: what a kernel's error is
/// measured by.
///
/// Queries are scaled, logits, weights and outputs are stored in the format, and products are summed one after the
/// other in fp32. (The same steps as PyTorch's matmul, softmax and matmul on tensors of that format.) A row that sees no
/// token is zeros.
public enum NaiveAttention {
  /// The output of `query` over `part`, `[rows, headDim]`.
  public static func output(_ query: AttentionQuery, over part: KVPart) -> [Float] {
    query.check(over: part)
    let (shape, store, element) = (query.shape, part.store, part.store.element)
    let dim = shape.headDim
    var output = [Float](repeating: 0, count: shape.rows * dim)
    let queries = query.values.floats(0..<query.values.count).map { element.rounded($0 * query.scale) }
    for head in 0..<shape.kvHeads {
      let rows = (0..<shape.queries).flatMap { query in
        (0..<shape.group).map { query * shape.queryHeads + head * shape.group + $0 }
      }
      var weights = [Float](repeating: 0, count: rows.count * part.count)
      for (token, place) in part.range.lazy.map(part.locate).enumerated() {
        let start = store.layout.index(block: place.block, offset: place.offset, head: head)
        store.keys.withFloats(start..<start + dim) { key in
          for (index, row) in rows.enumerated() {
            let asking = row / shape.queryHeads
            var product: Float = 0
            for i in 0..<dim { product += queries[row * dim + i] * key[i] }
            var logit = element.rounded(product)
            if let bias = query.bias { logit = element.rounded(logit + bias[asking * part.count + token]) }
            weights[index * part.count + token] = query.sees(asking, place.position) ? logit : -.infinity
          }
        }
      }
      for index in rows.indices {
        softmax(&weights, index * part.count..<(index + 1) * part.count, element)
      }
      for (token, place) in part.range.lazy.map(part.locate).enumerated() {
        let start = store.layout.index(block: place.block, offset: place.offset, head: head)
        store.values.withFloats(start..<start + dim) { value in
          for (index, row) in rows.enumerated() {
            let weight = weights[index * part.count + token]
            for i in 0..<dim { output[row * dim + i] += weight * value[i] }
          }
        }
      }
    }
    return output.map(element.rounded)
  }

  /// Softmax of a row in place: inside in fp32, its result in the format.
  private static func softmax(_ row: inout [Float], _ range: Range<Int>, _ element: ElementType) {
    var maximum = -Float.infinity
    for index in range where row[index] > maximum { maximum = row[index] }
    if maximum == -.infinity {
      for index in range { row[index] = 0 }
      return
    }
    var sum: Float = 0
    for index in range {
      row[index] = Float.exponential(row[index] - maximum)
      sum += row[index]
    }
    for index in range { row[index] = element.rounded(row[index] / sum) }
  }
}
