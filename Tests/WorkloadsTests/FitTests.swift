import Sim
import Testing

import Workloads

@Suite struct FitTests {
  @Test("A fit to the first half of a public trace stands for the second, and the strawman stands worse")
  func publicTraces() throws {
    let names = [
      "AzureLLMInferenceTrace_conv_2023.csv", "mooncake_fast25_conversation_trace.jsonl",
      "servegen_sample_m-large_day3_15h-16h_scale0.05.csv", "apexplus_lmsys_05.csv",
    ]
    for name in names {
      guard let path = PublicData.trace(name) else { continue }
      let score = try HoldOut(try TraceFile.open(path: path).all())
      let (fitted, halves, strawman) = (score.fitted, score.halves, score.strawman)
      #expect(fitted.prompt <= halves.prompt + 0.05, "\(name)")
      #expect(fitted.output <= halves.output + 0.05, "\(name)")
      #expect(fitted.gap <= halves.gap + 0.05, "\(name): \(fitted.gap)")
      #expect(strawman.total > fitted.total, "\(name)")
      #expect((fitted.correlation - halves.correlation).magnitude < 0.03, "\(name)")
      // Against the half that it was fitted to, percentiles are within 6 %: the 99th of few requests within 15 %.
      for (fit, real) in [
        (fitted.promptPercentiles, halves.promptPercentiles),
        (fitted.outputPercentiles, halves.outputPercentiles),
      ] {
        for index in 0..<3 {
          #expect((fit[index] / real[index] - 1).magnitude < (index < 2 ? 0.06 : 0.15), "\(name)")
        }
      }
      // Dispersions of the half it was fitted to, within a factor of 1.6; 2.5 at 60 s, of some 30 windows.
      for (index, pair) in zip(fitted.dispersions, halves.dispersions).enumerated() {
        guard let fit = pair.0, let real = pair.1 else { continue }
        #expect(max(fit / real, real / fit) < (index < 2 ? 1.6 : 2.5), "\(name): \(fit) for \(real)")
      }
    }
  }

  @Test("A fit to a generated trace gives its parameters back")
  func generated() throws {
    let spec = WorkloadSpec(
      seed: 8, requests: 20_000,
      classes: [
        RequestClass(
          name: "a", source: .open(ArrivalProcess(gaps: .gamma(cv: 1.5), pattern: .constant(rate: 5))),
          prompt: .lognormal(median: 800, sigma: 1), output: .uniform(10, 400), correlation: 0.4)
      ])
    let fitted = try TraceFit.fit(try spec.generate().map(\.request)).classes[0]
    #expect((fitted.correlation - 0.4).magnitude < 0.03)
    guard case .open(let process) = fitted.source, case .gamma(let cv) = process.gaps else {
      Issue.record("\(fitted.source)")
      return
    }
    #expect((cv - 1.5).magnitude < 0.2)
    #expect((fitted.prompt.value(at: 0.5) / 800 - 1).magnitude < 0.05)
    #expect((fitted.output.value(at: 0.9) / 361 - 1).magnitude < 0.05)
  }

  @Test("Distances: none of a sample to itself, one of disjoint ones; ranks share ties")
  func distances() {
    #expect(Distance.kolmogorovSmirnov([1, 2, 2, 3], [3, 2, 1, 2]) == 0)
    #expect(Distance.kolmogorovSmirnov([1, 2], [3, 4]) == 1)
    #expect(Distance.kolmogorovSmirnov([1, 2, 3, 4], [1, 2, 3, 9]) == 0.25)
    #expect((Distance.rankCorrelation([1, 2, 3, 4], [10, 20, 30, 40]) - 1).magnitude < 1e-12)
    #expect((Distance.rankCorrelation([1, 2, 3, 4], [4, 3, 2, 1]) + 1).magnitude < 1e-12)
    #expect(Distance.rankCorrelation([1, 1, 1], [1, 2, 3]) == 0)
  }

  @Test("Too few requests are refused")
  func few() {
    let some = (0..<49).map { request(Int64($0), 1, 1) }
    #expect(traceError { _ = try TraceFit.fit(some) } != nil)
    #expect(traceError { _ = try HoldOut(some) } != nil)
  }
}
