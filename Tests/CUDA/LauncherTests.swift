import Foundation
import Reference
import Testing

import ReferenceCUDA

@Suite(.serialized) struct LauncherTests {
  /// A call with a paged cache, GQA and bf16.
  private static func call(tokens: Int, group: Int, headDim: Int = 128) -> (
    query: AttentionQuery, part: KVPart
  ) {
    let shape = AttentionShape(queryHeads: group, kvHeads: 1, headDim: headDim)
    let part = KVCache.paged(.bf16, shape, tokens: tokens, blockTokens: 16, seed: 1)
    let tensors = RandomTensors(seed: 7)
    tensors.fill(part)
    return (AttentionQuery(shape: shape, values: tensors.queries(.bf16, shape)), part)
  }

  /// What this thread has computed so far: other tests run beside it.
  private static func processorSeconds() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
  }

  @Test func `the stand-in driver is found, and says what it is`() {
    guard case .available(let description) = StandIn.backend.availability else {
      Issue.record("\(StandIn.backend.availability)")
      return
    }
    #expect(description == "stand-in (PTX interpreter, no GPU), sm_80, driver for CUDA 11.8")
  }

  @Test func `without a driver it says exactly what is missing`() throws {
    let missing = CUDABackend(library: "/nonexistent/libcuda.so.1")
    guard case .unavailable(let reason) = missing.availability else {
      Issue.record("a library that is not there was opened")
      return
    }
    #expect(reason.hasPrefix("no CUDA driver: /nonexistent/libcuda.so.1: cannot open shared object file"))
    #expect(reason.contains("INFINITE_SIM_LIBCUDA"))
    let (query, part) = Self.call(tokens: 1, group: 1)
    #expect(throws: CUDAError.self) { try missing.partial(query, over: part) }
  }

  @Test func `a library that lacks a function is named with the function`() {
    guard case .unavailable(let reason) = CUDABackend(library: "libc.so.6").availability else {
      Issue.record("the C library passed for a driver")
      return
    }
    #expect(reason == "libc.so.6 has no function cuInit")
  }

  @Test func `PTX that the driver does not take is refused with its words`() {
    let backend = CUDABackend(library: StandIn.library, ptx: ".version 7.8\n.target sm_80\n.nonsense")
    guard case .unavailable(let reason) = backend.availability else {
      Issue.record("nonsense was loaded")
      return
    }
    #expect(reason.contains("218") && reason.contains("line 3") && reason.contains(".nonsense"))
  }

  @Test func `a launch with an argument too few, too many or of another size is refused`() throws {
    let device = try CUDADevice(CUDADriver(library: StandIn.library))
    let buffer = try device.buffer(bytes: 64)
    func arguments(_ make: (inout KernelArguments) -> Void) -> KernelArguments {
      var arguments = KernelArguments()
      make(&arguments)
      return arguments
    }
    let right = arguments {
      $0.append(buffer)
      $0.append(UInt64(0))
      $0.append(buffer)
    }
    let wrong = [
      arguments {
        $0.append(buffer)
        $0.append(UInt64(0))
      },
      arguments {
        $0.append(buffer)
        $0.append(UInt64(0))
        $0.append(buffer)
        $0.append(UInt32(1))
      },
      arguments {
        $0.append(buffer)
        $0.append(UInt32(0))
        $0.append(buffer)
      },
    ]
    try device.launch("read_memory", grid: (1, 1, 1), threads: 32, right)
    for arguments in wrong {
      #expect(throws: CUDAError.self) {
        try device.launch("read_memory", grid: (1, 1, 1), threads: 32, arguments)
      }
    }
    #expect(throws: CUDAError.self) { try device.launch("read_memory", grid: (0, 1, 1), threads: 32, right) }
    #expect(throws: CUDAError.self) {
      try device.launch("read_memory", grid: (1, 65536, 1), threads: 32, right)
    }
    #expect(throws: CUDAError.self) {
      try device.launch("read_memory", grid: (1, 1, 1), threads: 2048, right)
    }
    #expect(throws: CUDAError.self) {
      try device.launch("partial_bf16_64_1", grid: (1, 1, 1), threads: 256, right)
    }
    #expect(throws: CUDAError.self) {
      try device.launch("no_such_kernel", grid: (1, 1, 1), threads: 32, right)
    }
  }

  @Test func `the stand-in fails what it does not know, and checks a launch itself`() throws {
    let handle = try #require(dlopen(StandIn.library, RTLD_NOW))
    #expect(dlsym(handle, "cuInit") != nil && dlsym(handle, "cuStreamCreate") == nil)
    let device = try CUDADevice(CUDADriver(library: StandIn.library))
    let driver = device.driver
    var value: Int32 = 0
    #expect(driver.deviceAttribute(&value, 999, 0) != 0 && driver.device(&value, 1) != 0)
    let stranger = OpaquePointer(bitPattern: 0x123_4560)
    var function: CUDADriver.Handle?
    #expect(driver.function(&function, stranger, "merge_states") != 0)
    #expect(driver.free(0x1234) != 0 && driver.copyToDevice(0x1234, [UInt8](repeating: 0, count: 4), 4) != 0)
    #expect(driver.launch(stranger, 1, 1, 1, 32, 1, 1, 0, nil, nil, nil) != 0)
    #expect(driver.recordEvent(stranger, nil) != 0)
  }

  @Test func `what the kernels do not take is refused with the reason`() throws {
    let shape = AttentionShape(queryHeads: 1, kvHeads: 1, headDim: 96)
    let query = AttentionQuery(shape: shape, values: ElementBuffer(.bf16, count: 96))
    let part = KVCache.contiguous(.bf16, shape, tokens: 3)
    #expect(
      StandIn.backend.refusal(query, over: part) == "the kernels have 64 or 128 elements per head, not 96")
    #expect(throws: CUDAError.self) { try StandIn.backend.partial(query, over: part) }
  }

  @Test func `times come from events, and the read rate from a kernel`() throws {
    let (query, part) = Self.call(tokens: 100, group: 4)
    let times = try StandIn.backend.seconds(query, over: [part, part[0..<50]], runs: 3)
    #expect(times.count == 3 && times.allSatisfy { $0 > 0 && $0 < 10 })
    #expect(try StandIn.backend.readBandwidth(runs: 1) > 0)
  }

  @Test func `each byte of the cache is read once, in whole sectors and without bank conflicts`() throws {
    for group in [1, 4, 8] {
      let (query, part) = Self.call(tokens: 8192, group: group)
      let device = try CUDADevice(CUDADriver(library: StandIn.library))
      let call = try PartialCall(query, over: part, on: device)
      _ = try StandIn.counts(isDetailed: true)
      try call.launch()
      let counts = try StandIn.counts()
      let start = Self.processorSeconds()
      try call.launch()
      let seconds = Self.processorSeconds() - start
      let perToken = 1 / Double(part.count)
      print(
        String(
          format:
            "CUDA kernel, bf16, d 128, G = %d, 8192 tokens: %.3f bytes read per KV byte (%.3f in sectors), "
            + "%.2f passes per 128 bytes of shared memory; per token %.1f warp instructions, %.2f shuffles, "
            + "%.2f warp barriers; %d block barriers; %.0f M thread instructions per second of this thread",
          group, Double(counts.bytesRead) / Double(part.bytes),
          Double(counts.sectorsRead * 32) / Double(part.bytes),
          Double(counts.sharedPasses) / Double(counts.sharedPassesNeeded),
          Double(counts.warpInstructions) * perToken, Double(counts.shuffles) * perToken,
          Double(counts.warpBarriers) * perToken, counts.barriers,
          Double(counts.threadInstructions) / seconds / 1e6))
      // Beside the cache: the query once a split, the table, the splits' states for the merge.
      #expect(Double(counts.bytesRead) < 1.25 * Double(part.bytes))
      #expect(Double(counts.sectorsRead * 32) < 1.2 * Double(part.bytes))
      #expect(Double(counts.sharedPasses) < 1.3 * Double(counts.sharedPassesNeeded))
    }
  }
}
