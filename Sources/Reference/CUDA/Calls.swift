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

/// What partial attention reads, in device memory, in the order of the kernels' parameters.
struct PartialInputs {
  var query: CUDADevice.Buffer
  var keys: CUDADevice.Buffer
  var values: CUDADevice.Buffer
  var table: CUDADevice.Buffer
  var positions: CUDADevice.Buffer
  var range: CUDADevice.Buffer
  var firstQuery: CUDADevice.Buffer
  var bias: CUDADevice.Buffer?

  /// `query` and `part` as they are on the host.
  init(_ query: AttentionQuery, over part: KVPart, on device: CUDADevice) throws(CUDAError) {
    self.query = try device.buffer(bytes: query.values.bytes.count)
    try device.copy(UnsafeRawBufferPointer(query.values.bytes), to: self.query, at: 0)
    // Only the blocks that the table names travel, in the order that they have in the store.
    let blocks = Set(part.table).sorted()
    var places = [Int32: Int32](minimumCapacity: blocks.count)
    for (place, block) in blocks.enumerated() { places[block] = Int32(place) }
    keys = try Self.upload(part.store.keys, blocks, part.store.layout.blockStride, device)
    values = try Self.upload(part.store.values, blocks, part.store.layout.blockStride, device)
    table = try device.buffer(part.table.map { places[$0] ?? 0 })
    positions = try device.buffer(part.positions)
    range = try device.buffer([UInt32(part.range.lowerBound), UInt32(part.range.upperBound)])
    firstQuery = try device.buffer([Int32(query.firstPosition)])
    bias = try query.bias.map { values throws(CUDAError) in try device.buffer(values) }
  }

  init(
    query: CUDADevice.Buffer, keys: CUDADevice.Buffer, values: CUDADevice.Buffer, table: CUDADevice.Buffer,
    positions: CUDADevice.Buffer, range: CUDADevice.Buffer, firstQuery: CUDADevice.Buffer
  ) {
    self.query = query
    self.keys = keys
    self.values = values
    self.table = table
    self.positions = positions
    self.range = range
    self.firstQuery = firstQuery
  }

  /// The named blocks of a store, one after the other. Gathered here: a copy to the device takes microseconds.
  private static func upload(
    _ store: ElementBuffer, _ blocks: [Int32], _ stride: Int, _ device: CUDADevice
  ) throws(CUDAError) -> CUDADevice.Buffer {
    let size = stride * store.element.bytes
    let buffer = try device.buffer(bytes: blocks.count * size)
    let gathered = UnsafeMutableRawBufferPointer.allocate(byteCount: buffer.bytes, alignment: 16)
    defer { gathered.deallocate() }
    for (place, block) in blocks.enumerated() {
      UnsafeMutableRawBufferPointer(rebasing: gathered[place * size..<(place + 1) * size]).copyMemory(
        from: UnsafeRawBufferPointer(rebasing: store.bytes[Int(block) * size..<(Int(block) + 1) * size]))
    }
    try device.copy(UnsafeRawBufferPointer(gathered), to: buffer, at: 0)
    return buffer
  }
}

/// One call of partial attention with all it needs in device memory.
package struct PartialCall {
  private let device: CUDADevice
  private let plan: LaunchPlan
  private let arguments: KernelArguments
  /// Kept for as long as the call: the arguments are their addresses.
  private let inputs: PartialInputs
  private let splits: StateBuffers
  private let merged: StateBuffers

  package init(_ query: AttentionQuery, over part: KVPart, on device: CUDADevice) throws(CUDAError) {
    if let refusal = LaunchPlan.refusal(query, over: part) { throw CUDAError(refusal) }
    try self.init(
      LaunchPlan(query, over: part, multiprocessors: device.multiprocessors), query.shape,
      PartialInputs(query, over: part, on: device), on: device)
  }

  /// The call that `plan` describes, each of whose sequences has a query of this shape.
  init(_ plan: LaunchPlan, _ shape: AttentionShape, _ inputs: PartialInputs, on device: CUDADevice)
    throws(CUDAError)
  {
    self.device = device
    self.plan = plan
    self.inputs = inputs
    let rows = plan.sequences * shape.rows
    splits = try StateBuffers(parts: plan.splits, rows: rows, headDim: shape.headDim, on: device)
    merged = try StateBuffers(parts: 1, rows: rows, headDim: shape.headDim, on: device)
    var arguments = KernelArguments()
    for buffer in [
      inputs.query, inputs.keys, inputs.values, inputs.table, inputs.positions, inputs.range,
      inputs.firstQuery,
    ] {
      arguments.append(buffer)
    }
    arguments.append(inputs.bias)
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

  /// The state of each sequence's rows, sequence after sequence.
  func result() throws(CUDAError) -> AttentionState<Float> {
    try (plan.splits > 1 ? merged : splits).state(on: device)
  }
}

/// A pass over memory with 16-byte loads: what the device's reads are measured by.
struct MemoryRead {
  let bytes: Int
  private let device: CUDADevice
  private let arguments: KernelArguments
  private let buffers: [CUDADevice.Buffer]

  /// Reads 1 GiB, or a quarter of what is free if that is less; far beyond any L2.
  init(on device: CUDADevice) throws(CUDAError) {
    self.device = device
    bytes = min(1 << 30, try device.freeMemory() / 4) / 256 * 256
    let (memory, sink) = (try device.buffer(bytes: bytes), try device.buffer([UInt32(0)]))
    // Numbers like those of a cache: memory may be faster on zeros.
    let heads = AttentionShape(queryHeads: min(bytes, 16 << 20) / 256, kvHeads: 1, headDim: 128)
    let numbers = RandomTensors(seed: 1).queries(.bf16, heads)
    try device.fill(memory, repeating: UnsafeRawBufferPointer(numbers.bytes))
    buffers = [memory, sink]
    var arguments = KernelArguments()
    arguments.append(memory)
    arguments.append(UInt64(bytes / 16))
    arguments.append(sink)
    self.arguments = arguments
  }

  func launch() throws(CUDAError) {
    try device.launch("read_memory", grid: (8 * device.multiprocessors, 1, 1), threads: 256, arguments)
  }
}
