import PTXInterpreter
import Testing

@Suite struct InterpreterTests {
  @Test(needsCompilers, arguments: CompiledPTX.compilers)
  func `kernels that have nothing to do with attention give what the host computes`(compiler: String) throws {
    let device = PTXDevice()
    let kernels = try device.load(CompiledPTX.text("ptx/\(compiler)/kernels.ptx"))
    let all = OtherKernel.all()
    #expect(all.count >= 10)
    for kernel in all {
      let failure = try kernel.failure(in: kernels, on: device)
      #expect(failure == nil)
    }
  }

  /// A module with one kernel `k(u64 out, u64 in)` that has some registers and 64 bytes of shared memory.
  private static func module(_ body: String) -> String {
    """
    .version 7.8
    .target sm_80
    .address_size 64
    .visible .entry k(.param .u64 out, .param .u64 in)
    {
      .reg .pred %p<4>;
      .reg .b32 %r<16>;
      .reg .b64 %rd<16>;
      .reg .f32 %f<8>;
      .shared .align 16 .b8 s[512];
      ld.param.u64 %rd1, [out];
      ld.param.u64 %rd2, [in];
      mov.u32 %r1, %tid.x;
      mul.wide.u32 %rd3, %r1, 4;
      shl.b32 %r2, %r1, 2;
      mov.u32 %r3, s;
      add.s32 %r2, %r2, %r3;
    \(body)
      ret;
    }
    """
  }

  /// Launches a block of 64 threads on 256 bytes of output and of input, and returns what was thrown.
  private static func error(_ body: String, threads: Int = 64, blocks: Int = 1, bytes: Int = 16) -> PTXError?
  {
    do throws(PTXError) {
      let device = PTXDevice()
      let kernels = try device.load(module(body))
      let (out, inp) = (device.allocate(256), device.allocate(256))
      let zeros = [UInt8](repeating: 0, count: 256)
      let written = zeros.withUnsafeBytes { bytes in
        Result { () throws(PTXError) in try device.write(bytes, to: inp) }
      }
      try written.get()
      var parameters: [UInt8] = []
      for value in [out, inp] { withUnsafeBytes(of: value) { parameters += $0 } }
      guard let kernel = kernels["k"] else { return PTXError(.unknown, "no kernel") }
      try device.launch(
        kernel, grid: Dimensions(blocks), block: Dimensions(threads),
        parameters: Array(parameters.prefix(bytes)),
        instructionLimit: 100_000)
      return nil
    } catch { return error }
  }

  /// What must be refused, and why. Line 17 of the text is the first of the body.
  private static let wrongs: [(String, PTXError.Kind, String)] = [
    ("frobnicate.b32 %r4, %r1;", .unknown, "an opcode that does not exist"),
    ("add.sat.s32 %r4, %r1, %r1;", .unknown, "a modifier that is not modelled"),
    ("mul.ftz.f32 %f1, %f2, %f3;", .unknown, "flushing arithmetic"),
    ("add.s32 %r99, %r1, %r1;", .unknown, "a register that is not declared"),
    ("add.s64 %rd4, %r1, %rd1;", .unknown, "a register of another size"),
    ("bra NOWHERE;", .unknown, "a label that is not there"),
    ("call f, ();", .unknown, "a call"),
    ("bar.sync 1, 32;", .unknown, "a named barrier"),
    ("st.global.u32 [%rd1+256], %r1;", .memory, "a store past the end"),
    ("st.global.u32 [%rd1+-4], %r1;", .memory, "a store before the beginning"),
    ("ld.global.u32 %r4, [%rd2+2];", .memory, "a misaligned load"),
    ("ld.global.u32 %r4, [%rd1];", .memory, "a load of what was never written"),
    ("ld.shared.u32 %r4, [%r2];", .memory, "a load of shared memory that was never written"),
    ("ld.shared.u32 %r4, [s+512];", .memory, "a load past the end of shared memory"),
    ("ld.global.u32 %r4, [%rd5];", .memory, "a load through a register that was never set"),
    ("st.global.u32 [%rd1], %r1;", .race, "two threads that write one place"),
    ("st.shared.u32 [%r2], %r1; ld.shared.u32 %r4, [s];", .race, "a read of another's write with no barrier"),
    (
      "st.shared.u32 [%r2], %r1; bar.warp.sync -1; ld.shared.u32 %r4, [s];", .race,
      "a barrier of the warp where one of the block is needed"
    ),
    (
      "st.shared.u32 [%r2], %r1; bar.sync 0; ld.shared.u32 %r4, [s]; st.shared.u32 [%r2], %r4;", .race,
      "a write of what others still read"
    ),
    ("setp.lt.u32 %p1, %r1, 40; @%p1 bar.sync 0;", .synchronisation, "a barrier that half of a warp reaches"),
    (
      "setp.lt.u32 %p1, %r1, 32; @%p1 bra L; bar.sync 0; L:", .synchronisation,
      "a barrier that one warp leaves out"
    ),
    (
      "setp.lt.u32 %p1, %r1, 8; @%p1 bra L; bar.warp.sync -1; L:", .synchronisation,
      "a barrier of the warp that some threads leave out, and end"
    ),
    (
      "and.b32 %r5, %r1, 1; setp.eq.s32 %p1, %r5, 0; @%p1 bra L; shfl.sync.bfly.b32 %r4, %r1, 1, 31, -1; bra M; L: "
        + "shfl.sync.bfly.b32 %r4, %r1, 2, 31, -1; M:", .synchronisation, "shuffles in both ways of a branch"
    ),
    (
      "shfl.sync.idx.b32 %r4, %r1, 9, 31, 255;", .synchronisation,
      "a shuffle by threads that its mask leaves out"
    ),
    ("L: bra L;", .aborted, "a loop without end"),
    ("trap;", .aborted, "a trap"),
    (
      "shl.b32 %r4, %r1, 4; and.b32 %r4, %r4, 255; cvt.u64.u32 %rd4, %r4; add.s64 %rd4, %rd2, %rd4; shl.b32 %r5, %r1, 3; "
        + "add.s32 %r5, %r5, %r3; cp.async.ca.shared.global [%r5], [%rd2], 8; cp.async.commit_group; ld.shared.u32 %r6, [%r5];",
      .race, "a read of an asynchronous copy before the wait"
    ),
  ]

  @Test(arguments: wrongs.indices)
  func `what a GPU would leave undefined is an error with the line`(index: Int) throws {
    let (body, kind, what) = Self.wrongs[index]
    let error = try #require(Self.error(body), "\(what) passed")
    #expect(error.kind == kind, "\(what): \(error)")
    #expect(error.line >= 17 || body.contains("L:"), "\(what): \(error)")
  }

  @Test func `the same with its barriers and bounds right is no error`() {
    let right = [
      "st.shared.u32 [%r2], %r1; bar.sync 0; ld.shared.u32 %r4, [s]; bar.sync 0; st.shared.u32 [%r2], %r4;",
      "xor.b32 %r5, %r2, 4; st.shared.u32 [%r2], %r1; bar.warp.sync -1; ld.shared.u32 %r4, [%r5];",
      // Pairs of lanes, each with a barrier of its own.
      "and.b32 %r6, %r1, 30; mov.u32 %r7, 3; shl.b32 %r7, %r7, %r6; xor.b32 %r5, %r2, 4; st.shared.u32 [%r2], %r1; "
        + "bar.warp.sync %r7; ld.shared.u32 %r4, [%r5];",
      "setp.lt.u32 %p1, %r1, 40; @!%p1 bra L; add.s32 %r4, %r1, 1; L: bar.sync 0;",
      "shl.b32 %r5, %r1, 3; add.s32 %r5, %r5, %r3; cp.async.ca.shared.global [%r5], [%rd2], 8; cp.async.commit_group; "
        + "cp.async.wait_group 0; ld.shared.u32 %r6, [%r5];",
      "setp.eq.s32 %p1, %r1, 0; @%p1 st.shared.u32 [s], 0; bar.sync 0; atom.shared.add.u32 %r4, [s], 1;",
    ]
    for body in right { #expect(Self.error(body) == nil, "\(body)") }
  }

  @Test func `a launch that does not fit the kernel is refused`() {
    #expect(Self.error("", bytes: 8)?.kind == .launch)
    #expect(Self.error("", threads: 1025)?.kind == .launch)
    #expect(Self.error("", blocks: 0)?.kind == .launch)
  }

  @Test func `blocks that write one place race, whatever barriers they have`() {
    #expect(
      Self.error("bar.sync 0; setp.eq.s32 %p1, %r1, 0; @%p1 st.global.u32 [%rd1], %r1;", blocks: 2)?.kind
        == .race)
  }
}
