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

  public func seconds(_ query: AttentionQuery, over parts: [KVPart], runs: Int) throws -> [Double] {
    try withDevice { device throws(CUDAError) in
      var calls: [PartialCall] = []
      for part in parts.prefix(max(runs, 1)) { calls.append(try PartialCall(query, over: part, on: device)) }
      // The first launch of a kernel loads it.
      try calls.first?.launch()
      var times: [Double] = []
      for run in 0..<runs {
        let call = calls[run % calls.count]
        times.append(try device.seconds { () throws(CUDAError) in try call.launch() })
      }
      return times
    }
  }

  /// Reads 1 GiB, or a quarter of the memory if that is less, with 16-byte loads.
  public func readBandwidth(runs: Int) throws -> Double {
    try withDevice { device throws(CUDAError) in
      let bytes = min(1 << 30, device.memory / 4) & ~15
      let buffer = try device.buffer(bytes: bytes)
      try device.driver.check(device.driver.set8(buffer.address, 0, bytes), "cuMemsetD8")
      var arguments = KernelArguments()
      arguments.append(buffer)
      arguments.append(UInt64(bytes / 16))
      arguments.append(try device.buffer([UInt32(0)]))
      var best = Double.infinity
      // One more pass to begin with, which loads the kernel.
      for _ in 0...max(runs, 1) {
        best = min(
          best,
          try device.seconds { () throws(CUDAError) in
            try device.launch(
              "read_memory", grid: (8 * device.multiprocessors, 1, 1), threads: 256, arguments)
          })
      }
      return Double(bytes) / best
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
