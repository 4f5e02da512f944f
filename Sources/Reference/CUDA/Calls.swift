import Reference

/// States in device memory: `parts` of them, each `(rows, headDim)` and `(rows)`.
package struct StateBuffers {
  let parts: Int
  let rows: Int
  let headDim: Int
  package let output: CUDADevice.Buffer
  package let maximum: CUDADevice.Buffer
  package let sum: CUDADevice.Buffer

  package init(parts: Int, rows: Int, headDim: Int, on device: CUDADevice) throws(CUDAError) {
    self.parts = parts
    self.rows = rows
    self.headDim = headDim
    output = try device.buffer(bytes: parts * rows * headDim * 4)
    maximum = try device.buffer(bytes: parts * rows * 4)
    sum = try device.buffer(bytes: parts * rows * 4)
  }

  /// The first of them, once the device is done.
  package func state(on device: CUDADevice) throws(CUDAError) -> AttentionState<Float> {
    try device.synchronise()
    var state = AttentionState<Float>(identity: rows, headDim: headDim)
    state.output = try device.floats(output, count: rows * headDim)
    state.maximum = try device.floats(maximum, count: rows)
    state.sum = try device.floats(sum, count: rows)
    return state
  }
}

/// States to be merged, row by row.
struct MergeCall {
  var parts: Int
  var rows: Int
  var headDim: Int
  var output: CUDADevice.Buffer
  var maximum: CUDADevice.Buffer
  var sum: CUDADevice.Buffer

  func launch(into merged: StateBuffers, on device: CUDADevice) throws(CUDAError) {
    var arguments = KernelArguments()
    arguments.append(output)
    arguments.append(maximum)
    arguments.append(sum)
    arguments.append(UInt32(parts))
    arguments.append(merged.output)
    arguments.append(merged.maximum)
    arguments.append(merged.sum)
    // The normalised output is the caller's to compute: it may have states of other hosts to merge first.
    arguments.append(nil)
    try device.launch("merge_states", grid: (rows, 1, 1), threads: headDim, arguments)
  }
}

/// One call of partial attention with all it needs in device memory.
package struct PartialCall {
  private let device: CUDADevice
  private let plan: LaunchPlan
  private let arguments: KernelArguments
  /// Kept for as long as the call: the arguments are their addresses.
  private let inputs: [CUDADevice.Buffer]
  private let splits: StateBuffers
  private let merged: StateBuffers

  package init(_ query: AttentionQuery, over part: KVPart, on device: CUDADevice) throws(CUDAError) {
    if let refusal = LaunchPlan.refusal(query, over: part) { throw CUDAError(refusal) }
    self.device = device
    plan = LaunchPlan(query, over: part, multiprocessors: device.multiprocessors)
    let rows = query.shape.rows
    let headDim = query.shape.headDim
    splits = try StateBuffers(parts: plan.splits, rows: rows, headDim: headDim, on: device)
    merged = try StateBuffers(parts: 1, rows: rows, headDim: headDim, on: device)

    // Only the blocks that the table names travel, in the order that they have in the store.
    let blocks = Set(part.table).sorted()
    var places = [Int32: Int32](minimumCapacity: blocks.count)
    for (place, block) in blocks.enumerated() { places[block] = Int32(place) }
    let keys = try Self.upload(part.store.keys, blocks, part.store.layout.blockStride, device)
    let values = try Self.upload(part.store.values, blocks, part.store.layout.blockStride, device)
    let queryBuffer = try device.buffer(bytes: query.values.bytes.count)
    try device.copy(UnsafeRawBufferPointer(query.values.bytes), to: queryBuffer, at: 0)
    let table = try device.buffer(part.table.map { places[$0] ?? 0 })
    let positions = try device.buffer(part.positions)
    let range = try device.buffer([UInt32(part.range.lowerBound), UInt32(part.range.upperBound)])
    let first = try device.buffer([Int32(query.firstPosition)])
    let bias = try query.bias.map { values throws(CUDAError) in try device.buffer(values) }
    inputs = [queryBuffer, keys, values, table, positions, range, first] + (bias.map { [$0] } ?? [])

    var arguments = KernelArguments()
    for buffer in inputs.prefix(7) { arguments.append(buffer) }
    arguments.append(bias)
    arguments.append(splits.output)
    arguments.append(splits.maximum)
    arguments.append(splits.sum)
    arguments.append(plan.shape)
    self.arguments = arguments
  }

  /// Queues the partial attention of the splits and, if there are several, their merge.
  package func launch() throws(CUDAError) {
    try device.launch(plan.kernel, grid: plan.grid, threads: LaunchPlan.threads, arguments)
    guard plan.splits > 1 else { return }
    let merge = MergeCall(
      parts: splits.parts, rows: splits.rows, headDim: splits.headDim, output: splits.output,
      maximum: splits.maximum, sum: splits.sum)
    try merge.launch(into: merged, on: device)
  }

  func result() throws(CUDAError) -> AttentionState<Float> {
    try (plan.splits > 1 ? merged : splits).state(on: device)
  }

  /// The named blocks of a store, one after the other; neighbours go in one copy.
  private static func upload(
    _ store: ElementBuffer, _ blocks: [Int32], _ stride: Int, _ device: CUDADevice
  ) throws(CUDAError) -> CUDADevice.Buffer {
    let size = stride * store.element.bytes
    let buffer = try device.buffer(bytes: blocks.count * size)
    var start = 0
    while start < blocks.count {
      var end = start + 1
      while end < blocks.count, blocks[end] == blocks[end - 1] + 1 { end += 1 }
      let from = Int(blocks[start]) * size
      try device.copy(
        UnsafeRawBufferPointer(rebasing: store.bytes[from..<from + (end - start) * size]), to: buffer,
        at: start * size)
      start = end
    }
    return buffer
  }
}
