import Reference
import Testing

import ReferenceCUDA

@Suite struct BatchTests {
  /// The kernels take several sequences at once and can write the normalised output; the backend needs neither.
  @Test(arguments: [(ElementType.fp16, 64), (.bf16, 128)])
  func `sequences of different lengths in one launch give what each gives alone`(
    element: ElementType, headDim: Int
  ) throws {
    let shape = AttentionShape(queries: 2, queryHeads: 6, kvHeads: 2, headDim: headDim)
    let lengths = [37, 0, 200, 1]
    // One store for all: the parts are runs of slots of one shuffled table.
    let all = KVCache.paged(element, shape, tokens: 400, blockTokens: 8, seed: 11)
    let tensors = RandomTensors(seed: 21)
    tensors.fill(all)
    var start = 0
    let parts = lengths.map { length in
      defer { start += (length + 7) / 8 * 8 }
      return all[start..<start + length]
    }
    let queries = lengths.indices.map { sequence in
      let values = RandomTensors(seed: UInt64(sequence) + 100).queries(element, shape)
      let last = parts[sequence].positions.first.map { Int($0) + lengths[sequence] - 1 } ?? 0
      return AttentionQuery(shape: shape, values: values, firstPosition: last - 1, isCausal: true)
    }

    let device = try CUDADevice(CUDADriver(library: StandIn.library))
    let stride = parts.map(\.table.count).max() ?? 0
    func padded(_ values: [Int32]) -> [Int32] { values + Array(repeating: 0, count: stride - values.count) }
    let queryBuffer = try device.buffer(bytes: lengths.count * shape.rows * headDim * 2)
    for (sequence, query) in queries.enumerated() {
      try device.copy(
        UnsafeRawBufferPointer(query.values.bytes), to: queryBuffer, at: sequence * shape.rows * headDim * 2)
    }
    let keys = try device.buffer(bytes: all.store.keys.bytes.count)
    let values = try device.buffer(bytes: all.store.values.bytes.count)
    try device.copy(UnsafeRawBufferPointer(all.store.keys.bytes), to: keys, at: 0)
    try device.copy(UnsafeRawBufferPointer(all.store.values.bytes), to: values, at: 0)
    let table = try device.buffer(parts.flatMap { padded($0.table) })
    let positions = try device.buffer(parts.flatMap { padded($0.positions) })
    let range = try device.buffer(
      parts.flatMap { [UInt32($0.range.lowerBound), UInt32($0.range.upperBound)] })
    let first = try device.buffer(queries.map { Int32($0.firstPosition) })

    // Splits of 64 tokens: the longest sequence has four, the others empty ones.
    var plan = LaunchPlan(queries[2], over: parts[2], multiprocessors: 1)
    plan.shape.splitTokens = 64
    plan.shape.tableStride = UInt32(stride)
    plan.splits = 4
    let rows = lengths.count * shape.rows
    let splits = try StateBuffers(parts: plan.splits, rows: rows, headDim: headDim, on: device)
    var arguments = KernelArguments()
    for buffer in [queryBuffer, keys, values, table, positions, range, first] { arguments.append(buffer) }
    arguments.append(nil)
    for buffer in [splits.output, splits.maximum, splits.sum] { arguments.append(buffer) }
    arguments.append(plan.shape)
    try device.launch(
      plan.kernel, grid: (plan.grid.x, plan.splits, lengths.count), threads: LaunchPlan.threads, arguments)

    let merged = try StateBuffers(parts: 1, rows: rows, headDim: headDim, on: device)
    let output = try device.buffer(bytes: rows * headDim * 4)
    var merge = KernelArguments()
    for buffer in [splits.output, splits.maximum, splits.sum] { merge.append(buffer) }
    merge.append(UInt32(plan.splits))
    for buffer in [merged.output, merged.maximum, merged.sum, output] { merge.append(buffer) }
    try device.launch("merge_states", grid: (rows, 1, 1), threads: headDim, merge)
    try device.synchronise()
    let found = try device.floats(output, count: rows * headDim)
    let state = try merged.state(on: device)

    #expect(state.normalised() == found)
    for (sequence, query) in queries.enumerated() {
      let own = found[sequence * shape.rows * headDim..<(sequence + 1) * shape.rows * headDim]
      let verdict = Judge(query, over: parts[sequence]).verdict(Array(own))
      #expect(verdict.isGood, "sequence \(sequence): \(verdict)")
    }
  }
}
