import Foundation
import PTXInterpreter
import Reference
import Testing

import ReferenceCUDA

@Suite struct AttentionTests {
  /// INFINITE_SIM_CUDA_SHAPES sets how many: `scripts/full` takes 1,000. `./test` is in release; in debug the interpreter is slow.
  private static var shapes: Int {
    #if DEBUG
      let usual = 20
    #else
      let usual = 250
    #endif
    return ProcessInfo.processInfo.environment["INFINITE_SIM_CUDA_SHAPES"].flatMap(Int.init) ?? usual
  }

  @Test func `the embedded kernels are within both bounds over random shapes`() throws {
    var counts: [String: Int] = [:]
    var failures: [String] = []
    var (nearestNaive, nearestAbsolute) = (0.0, 0.0)
    for index in 0..<Self.shapes {
      let one = ShapeCase(index)
      let judge = Judge(one.query, over: one.whole)
      let verdict = judge.verdict(try one.output(StandIn.backend))
      for name in one.properties { counts[name, default: 0] += 1 }
      if let naive = judge.naiveBound, naive > 0 {
        nearestNaive = max(nearestNaive, verdict.maxError / naive)
      }
      if judge.absoluteBound > 0 {
        nearestAbsolute = max(nearestAbsolute, verdict.maxError / judge.absoluteBound)
      }
      if !verdict.isGood {
        failures.append("case \(index): \(verdict), \(one.query.shape), \(one.whole.count) tokens")
      }
    }
    print("CUDA kernels in the interpreter: \(Self.shapes) random shapes:")
    for (name, count) in counts.sorted(by: { $0.key < $1.key }) { print("  \(count)\t\(name)") }
    print(
      "  largest error: \(nearestNaive) of twice the naive error, \(nearestAbsolute) of the absolute bound")
    #expect(failures.isEmpty, "\(failures.count): \(failures.prefix(5))")
  }

  @Test(arguments: [(20_000, 128, 4), (65_536, 64, 1)])
  func `a long context is within the bounds`(tokens: Int, headDim: Int, rows: Int) throws {
    let one = ShapeCase(3, tokens: tokens, headDim: headDim, rows: rows)
    let verdict = Judge(one.query, over: one.whole, withNaive: false).verdict(try one.output(StandIn.backend))
    #expect(verdict.isGood, "\(verdict)")
  }

  @Test func `a NaN fails, and so does one token that is left out where it carries weight`() throws {
    for element in [ElementType.fp16, .bf16] {
      let shape = AttentionShape(queryHeads: 4, kvHeads: 1, headDim: 64)
      let part = KVCache.paged(element, shape, tokens: 300, blockTokens: 16, seed: 5)
      let tensors = RandomTensors(seed: 9, valueMean: 1)
      tensors.fill(part)
      let query = AttentionQuery(shape: shape, values: tensors.queries(element, shape))
      let judge = Judge(query, over: part)
      var output = try StandIn.backend.partial(query, over: part).normalised()
      #expect(judge.verdict(output).isGood)
      let without = try StandIn.backend.partial(query, over: part[0..<299]).normalised()
      #expect(!judge.verdict(without).isGood)
      output[7] = .nan
      #expect(!judge.verdict(output).isGood)
    }
  }

  // MARK: - Other compilers, other names, planted bugs

  /// Whether a module's kernels pass a few dozen shapes: nil, or what went wrong.
  private static func failure(_ backend: CUDABackend, _ cases: [ShapeCase]) -> String? {
    if case .unavailable(let reason) = backend.availability { return reason }
    for one in cases {
      do {
        let verdict = Judge(one.query, over: one.whole).verdict(try one.output(backend))
        if !verdict.isGood { return "case \(one.index): error \(verdict.maxError), bound \(verdict.bound)" }
      } catch {
        return "\(error)"
      }
    }
    return nil
  }

  @Test(needsCompilers, arguments: CompiledPTX.compilers)
  func `every compiler's PTX for sm_80 and sm_90 is within the bounds`(compiler: String) throws {
    let backend = CUDABackend(
      library: StandIn.library, ptx: try CompiledPTX.text("ptx/\(compiler)/distattention.ptx"))
    #expect(Self.failure(backend, (0..<30).map { ShapeCase($0) }) == nil)
  }

  @Test(needsCompilers) func `nothing depends on the names of kernels, parameters and variables`() throws {
    let text = try CompiledPTX.text("renamed.ptx")
    #expect(!text.contains("partial_") && !text.contains("merge_states") && !text.contains("shared_k"))
    let backend = CUDABackend(library: StandIn.library, ptx: text) {
      $0.replacingOccurrences(of: "partial_", with: "walnut_").replacingOccurrences(
        of: "merge_states", with: "hazel")
    }
    #expect(Self.failure(backend, (0..<30).map { ShapeCase($0) }) == nil)
  }

  /// Shapes for the kernels that planted bugs are compiled for, with several tiles and splits and not in whole ones.
  private static let mutantCases = [
    (299, ElementType.bf16, 64, 4), (515, .bf16, 128, 7), (130, .fp16, 128, 1), (777, .bf16, 64, 3),
  ]
  .enumerated().flatMap { index, one in
    (0..<6).map {
      ShapeCase(
        100 + 10 * index + $0, tokens: one.0, element: one.1, headDim: one.2, rows: one.3, hasBias: $0 == 0)
    }
  }

  @Test(needsCompilers, arguments: CompiledPTX.mutants)
  func `a planted bug is caught, and the source without one passes`(mutant: String) throws {
    let backend = CUDABackend(library: StandIn.library, ptx: try CompiledPTX.text("mutants/\(mutant).ptx"))
    let failure = Self.failure(backend, Self.mutantCases)
    if mutant == "none" {
      #expect(failure == nil)
    } else {
      print("planted bug '\(mutant)': \(failure.map { "caught: \($0)" } ?? "NOT CAUGHT")")
      #expect(failure != nil, "\(mutant)")
    }
  }
}
