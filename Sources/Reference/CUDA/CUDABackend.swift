import Reference
import Synchronization

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// Partial attention and merge on the first NVIDIA GPU, by the kernels of `distattention.cu`.
///
/// They are embedded as PTX, which the driver compiles at the first use. Calls from several threads wait for each other.
public final class CUDABackend: AttentionBackend {
  public let name = "cuda"
  public let elements: [ElementType] = [.fp16, .bf16]
  private let state = Mutex(State.unopened)
  private let open: @Sendable () throws(CUDAError) -> CUDADevice

  private enum State {
    case unopened
    case open(CUDADevice)
    case missing(CUDAError)
  }

  /// Uses the driver in the library that `library` names: by default the environment's `INFINITE_SIM_LIBCUDA`, or else
  /// `libcuda.so.1`. It is opened at the first use; what is missing is told by `availability`.
  public convenience init(library: String? = nil) { self.init(library: library, ptx: nil) }

  /// The same with kernels of another text, whose names `symbol` gives.
  package init(library: String?, ptx: String?, symbol: @escaping @Sendable (String) -> String = { $0 }) {
    let fromEnvironment = getenv("INFINITE_SIM_LIBCUDA").map { String(cString: $0) }
    open = { () throws(CUDAError) in
      try CUDADevice(
        CUDADriver(library: library ?? fromEnvironment ?? CUDADriver.defaultLibrary), ptx: ptx, symbol: symbol
      )
    }
  }

  public var availability: BackendAvailability {
    do { return .available(try withDevice { device throws(CUDAError) in device.description }) } catch {
      return .unavailable("\(error)")
    }
  }

  public func refusal(_ query: AttentionQuery, over part: KVPart) -> String? {
    LaunchPlan.refusal(query, over: part)
  }

  public func partial(_ query: AttentionQuery, over part: KVPart) throws -> AttentionState<Float> {
    try withDevice { device throws(CUDAError) in
      let call = try PartialCall(query, over: part, on: device)
      try call.launch()
      return try call.result()
    }
  }

  public func merge(_ states: [AttentionState<Float>]) throws -> AttentionState<Float> {
    precondition(!states.isEmpty, "at least one state is merged")
    return try withDevice { device throws(CUDAError) in
      let merge = MergeCall(
        parts: states.count, rows: states[0].rows, headDim: states[0].headDim,
        output: try device.buffer(states.flatMap(\.output)),
        maximum: try device.buffer(states.flatMap(\.maximum)),
        sum: try device.buffer(states.flatMap(\.sum)))
      let merged = try StateBuffers(parts: 1, rows: merge.rows, headDim: merge.headDim, on: device)
      try merge.launch(into: merged, on: device)
      return try merged.state(on: device)
    }
  }

  /// As the protocol says. A read of 1 GiB before each call keeps the device busy while the call is queued, so that the
  /// time is the device's alone, and leaves nothing of the cache in the L2.
  public func seconds(_ query: AttentionQuery, over parts: [KVPart], runs: Int) throws -> [Double] {
    try withDevice { device throws(CUDAError) in
      var calls: [PartialCall] = []
      for part in parts.prefix(max(runs, 1)) { calls.append(try PartialCall(query, over: part, on: device)) }
      let read = try MemoryRead(on: device)
      // The first launch of a kernel loads it.
      try calls.first?.launch()
      var times: [Double] = []
      for run in 0..<runs {
        times.append(try device.seconds([read.launch, calls[run % calls.count].launch])[1])
      }
      return times
    }
  }

  /// As the protocol says, by reads of 1 GiB, or of a quarter of the free memory if that is less.
  public func readBandwidth(runs: Int) throws -> Double {
    try withDevice { device throws(CUDAError) in
      let read = try MemoryRead(on: device)
      // The first pass loads the kernel.
      let times = try device.seconds(Array(repeating: read.launch, count: max(runs, 1) + 1))
      return Double(read.bytes) / (times.dropFirst().min() ?? .infinity)
    }
  }

  // MARK: - For a check of the device itself

  /// What the device and its driver say of themselves.
  public func facts() throws -> DeviceFacts {
    try withDevice { device throws(CUDAError) in try device.facts() }
  }

  /// Whether the device still answers. After a fault of a kernel no call does, for as long as the process lives.
  public var isUsable: Bool {
    (try? withDevice { device throws(CUDAError) in try device.synchronise() }) != nil
  }

  /// Times decode calls of a model over one cache, of at most 48 GiB and three quarters of the free memory: `samples` times
  /// each, as long as `next` says so of a call. `done` gets what was found, or nil for a call that does not fit.
  public func decode(
    _ heads: AttentionShape, _ element: ElementType, _ calls: [DecodeCall], samples: Int,
    next: (DecodeCall) -> Bool, done: (DecodeCall, DecodeTiming?) -> Void
  ) throws {
    try withDevice { device throws(CUDAError) in
      let wanted = calls.map { $0.sequences * heads.kvBytes(element, tokens: ($0.tokens + 15) / 16 * 16) }
      let bench = try DecodeBench(
        heads, element, bytes: min(wanted.max() ?? 0, 48 << 30, device.freeMemory() / 4 * 3), on: device)
      for call in calls where next(call) {
        done(call, bench.fits(call) ? try bench.timing(call, samples: samples) : nil)
      }
    }
  }

  /// The costs of a small call, from `samples` of each.
  public func launchCosts(samples: Int) throws -> LaunchCosts {
    try withDevice { device throws(CUDAError) in
      let heads = AttentionShape(queryHeads: 8, kvHeads: 1, headDim: 128)
      return try DecodeBench(heads, .bf16, bytes: 1 << 20, on: device).launchCosts(samples: samples)
    }
  }

  private func withDevice<R>(_ body: (CUDADevice) throws(CUDAError) -> sending R) throws -> R {
    try state.withLock { state in
      if case .unopened = state {
        do throws(CUDAError) { state = .open(try open()) } catch { state = .missing(error) }
      }
      switch state {
      case .open(let device):
        try device.makeCurrent()
        return try body(device)
      case .missing(let error): throw error
      case .unopened: preconditionFailure("a driver that was opened is there or missing")
      }
    }
  }
}
