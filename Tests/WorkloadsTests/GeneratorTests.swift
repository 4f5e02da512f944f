import Foundation
import Sim
import Testing

import Workloads

@Suite struct GeneratorTests {
  private func spec(_ yaml: String) throws -> WorkloadSpec { try GeneratorYAML.parse(yaml, path: "g.yaml") }

  private func statistics(_ yaml: String) throws -> TraceStatistics {
    var s = TraceStatistics()
    for record in try spec(yaml).generate() { s.add(record) }
    return s
  }

  private static let lengths = "\nprompt: {kind: fixed, value: 10}\noutput: 5\n"

  // MARK: Arrivals

  @Test("Gaps have the CV asked for, and arrivals the rate")
  func gaps() throws {
    // Weibull of shape k: CV² = Γ(1 + 2/k) / Γ(1 + 1/k)² − 1, which is 5 for k = 1/2.
    let cases: [(String, Double)] = [
      ("{process: poisson, rate: 8}", 1), ("{process: fixed, rate: 8}", 0),
      ("{process: gamma, cv: 2.5, rate: 8}", 2.5), ("{process: gamma, cv: 0.3, rate: 8}", 0.3),
      ("{process: weibull, shape: 0.5, rate: 8}", 5.0.squareRoot()),
    ]
    for (arrivals, cv) in cases {
      let s = try statistics("seed: 3\nrequests: 100000\narrivals: \(arrivals)" + Self.lengths)
      let (found, rate) = (try #require(s.gapCV), try #require(s.rate))
      #expect((found - cv).magnitude < 0.03 * max(cv, 0.1), "\(arrivals): \(found)")
      #expect((rate / 8 - 1).magnitude < 0.03, "\(arrivals): \(rate)")
    }
  }

  @Test("Rates follow their pattern")
  func patterns() throws {
    func counts(_ pattern: String, _ span: Double, _ windows: Int) throws -> [Int] {
      var counts = [Int](repeating: 0, count: windows)
      let yaml = "seed: 5\nduration_s: \(span)\narrivals: {\(pattern)}" + Self.lengths
      let all = try spec(yaml).generate()
      for record in all {
        counts[min(Int(record.request.arrival.seconds / span * Double(windows)), windows - 1)] += 1
      }
      return counts
    }
    let steps = try counts(
      "steps: [{at_s: 0, rate: 10}, {at_s: 100, rate: 0}, {at_s: 200, rate: 30}]", 400, 4)
    #expect((800...1200).contains(steps[0]) && steps[1] <= 20 && (2700...3300).contains(steps[2]))
    let ramp = try counts("ramp: {from: 0, to: 40, over_s: 400}", 400, 4)
    // A quarter of the ramp holds 1, 3, 5 and 7 sixteenths of 8,000.
    #expect((400...600).contains(ramp[0]) && (3300...3700).contains(ramp[3]))
    let day = try counts("diurnal: {rate: 10, amplitude: 0.8, period_s: 400}", 400, 2)
    // The first half has a mean rate of 10 · (1 + 0.8 · 2/π).
    #expect((2850...3190).contains(day[0]) && (900...1070).contains(day[1]))
    let bursts =
      "seed: 5\nduration_s: 20000\narrivals: {on_off: {on_rate: 20, on_s: 10, off_s: 30}}" + Self.lengths
    let s = try statistics(bursts)
    let (rate, dispersion) = (try #require(s.rate), try #require(s.windows[1].dispersion))
    #expect((4...6).contains(rate) && dispersion > 20)
    let modulated =
      "seed: 5\nduration_s: 20000\narrivals: {modulated: {rate: 10, scales: [{every_s: 10, cv: 0.5}]}}"
    let m = try statistics(modulated + Self.lengths)
    // 1 + rate · cv² · 10 s in windows of 10 s.
    let ten = try #require(m.windows[1].dispersion)
    #expect((18...36).contains(ten))
  }

  @Test("A quantum rounds arrivals down to its multiples")
  func quantum() throws {
    let s = try statistics("requests: 2000\narrivals: {rate: 5, quantum_s: 3}" + Self.lengths)
    #expect(s.quantum == 3)
  }

  // MARK: Lengths

  @Test("Every distribution has its mean, its median and its range")
  func distributions() throws {
    // (distribution, mean, median, least, most)
    let cases: [(String, Double, Double, Int, Int)] = [
      ("{kind: uniform, min: 10, max: 110}", 60, 60, 10, 110),
      ("{kind: log-uniform, min: 10, max: 1000}", 990 / 4.605, 100, 10, 1000),
      ("{kind: lognormal, median: 300, sigma: 0.5}", 340, 300, 1, 100_000),
      ("{kind: lognormal, mean: 340, cv: 0.533}", 340, 300, 1, 100_000),
      ("{kind: exponential, mean: 400}", 400, 277, 1, 100_000),
      ("{kind: pareto, alpha: 3, min: 100}", 150, 126, 100, 100_000_000),
      ("{kind: zipf, exponent: 1, min: 1, max: 1000}", 133.6, 23, 1, 1000),
      ("{kind: quantiles, points: [[0, 10], [0.6, 10], [0.6, 20], [1, 20]]}", 14, 10, 10, 20),
      (
        "{kind: mixture, of: [{weight: 1, kind: fixed, value: 10}, {weight: 3, kind: fixed, value: 20}]}",
        17.5, 20, 10, 20
      ),
      ("{kind: lognormal, median: 300, sigma: 2, min: 200, max: 400}", 300, 300, 200, 400),
    ]
    for (text, mean, median, low, high) in cases {
      let all = try spec(
        "requests: 40000\narrivals: {rate: 1}\nprompt: \(text)\noutput: 5\n"
      ).generate().map(\.request.prompt).sorted()
      let found = Double(all.reduce(0, +)) / Double(all.count)
      #expect((found / mean - 1).magnitude < 0.04, "\(text): mean \(found)")
      #expect((Double(all[20_000]) / median - 1).magnitude < 0.06, "\(text): median \(all[20_000])")
      #expect(all[0] >= low && all[39_999] <= high, "\(text)")
    }
  }

  @Test("An empirical distribution is that of its trace")
  func empirical() throws {
    let scratch = try Scratch()
    let text =
      "arrival_s,input_tokens,output_tokens\n"
      + (0..<1_000).map { "\($0),\($0 % 7 * $0 % 7 + 1),\($0 % 3 + 5)\n" }.joined()
    _ = try scratch.file(text, named: "t.csv")
    let yaml =
      "requests: 30000\narrivals: {rate: 1}\nprompt: {kind: empirical, path: t.csv, field: prompt}\n"
      + "output: {kind: empirical, path: t.csv, field: output}\n"
    let path = try scratch.file(yaml, named: "g.yaml")
    let drawn = try GeneratorYAML.read(path: path).generate()
    let real = try TraceFile.open(path: scratch.folder + "/t.csv").all()
    #expect(
      Distance.kolmogorovSmirnov(drawn.map { Double($0.request.prompt) }, real.map { Double($0.prompt) })
        < 0.01)
    #expect(Set(drawn.map(\.request.output)) == [5, 6, 7])
  }

  @Test("Prompt and output have the rank correlation asked for, and keep their own distributions")
  func correlation() throws {
    for rho in [-0.7, 0, 0.3, 0.9] {
      let all = try spec(
        "requests: 20000\narrivals: {rate: 1}\ncorrelation: \(rho)\nprompt: {kind: lognormal, median: 500, sigma: 1}\n"
          + "output: {kind: log-uniform, min: 10, max: 10000}\n"
      ).generate()
      let found = Distance.rankCorrelation(
        all.map { Double($0.request.prompt) }, all.map { Double($0.request.output) })
      #expect((found - rho).magnitude < 0.02, "\(rho): \(found)")
      let median = all.map(\.request.output).sorted()[10_000]
      #expect((290...345).contains(median))
    }
  }

  // MARK: Classes and sessions

  @Test(
    "Classes keep their own arrivals and names; the same file gives the same requests, another seed others")
  func classes() throws {
    let yaml = """
      seed: 11
      duration_s: 2000
      classes:
        - name: chat
          arrivals: {process: poisson, rate: 3}
          prompt: {kind: lognormal, median: 300, sigma: 1, max: 4000}
          output: {kind: uniform, min: 10, max: 300}
          slo: {ttft_s: 1, tpot_s: 0.05}
        - name: documents
          arrivals: {process: gamma, cv: 2, rate: 0.5}
          prompt: {kind: log-uniform, min: 5000, max: 200000}
          output: 200
      """
    let parsed = try spec(yaml)
    #expect(parsed.classes[0].slo == SLO(ttftSeconds: 1, tpotSeconds: 0.05))
    let all = try parsed.generate()
    #expect((5_600...6_400).contains(all.count { $0.details.label == "chat" }))
    #expect(all.filter { $0.details.label == "documents" }.allSatisfy { $0.request.prompt >= 5000 })
    #expect(zip(all, all.dropFirst()).allSatisfy { $0.request.arrival <= $1.request.arrival })
    #expect(try spec(yaml).generate() == all)
    var other = parsed
    other.seed = 12
    #expect(try other.generate() != all)
  }

  @Test(
    "A session's turn comes no sooner than its predecessor's answer and think time, and repeats what was said"
  )
  func sessions() throws {
    let all = try spec(
      """
      requests: 5000
      arrivals: {rate: 2}
      prompt: {kind: uniform, min: 10, max: 100}
      output: {kind: uniform, min: 10, max: 100}
      sessions: {turns: {kind: uniform, min: 1, max: 8}, think_s: {kind: exponential, mean: 20}, service_s: 2, max_prompt: 700}
      """
    ).generate()
    #expect(all.count == 5_000)
    var last: [Int: TraceRecord] = [:]
    for record in all {
      let session = try #require(record.details.session)
      if let before = last[session] {
        let think = try #require(record.details.think)
        #expect(record.request.arrival == before.request.arrival + .seconds(2) + think)
        #expect(record.details.prefixTokens == before.request.prompt + before.request.output)
        #expect(record.request.prompt > record.details.prefixTokens! && record.request.prompt <= 700)
      }
      #expect(record.details.turn == (last[session]?.details.turn ?? 0) + 1)
      last[session] = record
    }
    // A session may be cut by the end, but the load does not fade before it.
    let middle = all[2_500].request.arrival.seconds
    #expect(all[4_999].request.arrival.seconds < 2.2 * middle)
  }

  @Test("A closed loop has as many sessions as users, all from the start")
  func closedLoop() throws {
    let all = try spec(
      "requests: 1000\narrivals: {process: closed-loop, users: 8, think_s: {kind: exponential, mean: 5}, service_s: 1}"
        + Self.lengths
    ).generate()
    #expect(all.count == 1_000 && Set(all.map(\.details.session)).count == 8)
    #expect(all.prefix(8).allSatisfy { $0.request.arrival == .zero && $0.details.think == nil })
    #expect(all.dropFirst(8).allSatisfy { $0.details.think != nil })
  }

  // MARK: YAML

  @Test("What is wrong in a generator is refused with its line and key")
  func strictness() throws {
    let cases: [(String, Int, String?)] = [
      ("requests: 5\narrivals: {rate: 1}\nprompt: 5\noutput: 5\nprompts: 6\n", 5, "prompts"),
      ("requests: 5\narrivals: {rate: 1, cv: 2}\nprompt: 5\noutput: 5\n", 2, "arrivals.cv"),
      ("requests: 5\narrivals: {rate: 0}\nprompt: 5\noutput: 5\n", 2, "arrivals.rate"),
      ("requests: 5\narrivals: {rate: 1, process: normal}\nprompt: 5\noutput: 5\n", 2, "arrivals.process"),
      (
        "requests: 5\narrivals:\n  rate: 1\n  ramp: {from: 1, to: 2, over_s: 3}\nprompt: 5\noutput: 5\n", 3,
        "arrivals"
      ),
      ("requests: 5\narrivals: {rate: 1}\nprompt: {kind: gauss}\noutput: 5\n", 3, "prompt.kind"),
      (
        "requests: 5\narrivals: {rate: 1}\nprompt: {kind: uniform, min: 9, max: 5}\noutput: 5\n", 3,
        "prompt.min"
      ),
      ("requests: 5\narrivals: {rate: 1}\nprompt: {kind: uniform, min: 9}\noutput: 5\n", 3, "prompt.max"),
      ("requests: 5\narrivals: {rate: 1}\nprompt: five\noutput: 5\n", 3, "prompt"),
      ("requests: 5\narrivals: {rate: 1}\nprompt: 5\n", 1, "output"),
      ("requests: 0\narrivals: {rate: 1}\nprompt: 5\noutput: 5\n", 1, "requests"),
      ("requests: x\narrivals: {rate: 1}\nprompt: 5\noutput: 5\n", 1, "requests"),
      ("arrivals: {rate: 1}\nprompt: 5\noutput: 5\n", 1, "requests"),
      ("requests: 5\ncorrelation: 2\narrivals: {rate: 1}\nprompt: 5\noutput: 5\n", 2, "correlation"),
      (
        "requests: 5\nclasses:\n  - name: a\n    arrivals: {rate: 1}\n    prompt: 5\n    output: 5\n  - name: a\n",
        7, "classes[1].name"
      ),
      (
        "requests: 5\narrivals: {steps: [{at_s: 1, rate: 2}]}\nprompt: 5\noutput: 5\n", 2,
        "arrivals.steps[0].at_s"
      ),
      (
        "requests: 5\narrivals: {rate: 1}\nprompt: {kind: quantiles, points: [[0, 5], [1, 4]]}\noutput: 5\n",
        3, "prompt.points[1]"
      ),
      ("requests: 5\nrequests: 6\n", 2, nil), ("requests: [\n", 2, nil), ("- 1\n", 1, nil), ("", 1, nil),
    ]
    for (yaml, line, column) in cases {
      guard case .malformed("g.yaml", let found, let key, _, _) = traceError({ _ = try spec(yaml) }) else {
        Issue.record("accepted: \(yaml)")
        continue
      }
      #expect(key == column && (column == nil || found == line), "\(yaml): line \(found), \(key ?? "")")
    }
  }

  @Test("A specification written as YAML reads back as it was")
  func writing() throws {
    let yaml = """
      seed: 3
      requests: 100
      duration_s: 50.5
      classes:
        - name: a
          arrivals: {process: gamma, cv: 2, quantum_s: 0.5, steps: [{at_s: 0, rate: 1}, {at_s: 9, rate: 2}]}
          prompt: {kind: mixture, min: 3, of: [{weight: 2, kind: pareto, alpha: 2, min: 5, max: 90}, {weight: 1, kind: zipf, exponent: 1.5, min: 2, max: 50}]}
          output: {kind: quantiles, points: [[0, 1], [1, 90]]}
          correlation: 0.25
          slo: {ttft_s: 2}
          sessions: {turns: 4, think_s: {kind: exponential, mean: 3}, service_s: 1}
        - {name: b, arrivals: {process: closed-loop, users: 3, think_s: 2}, prompt: 4, output: {kind: lognormal, median: 9, sigma: 1, max: 50}}
        - {name: c, arrivals: {on_off: {on_rate: 3, on_s: 2, off_s: 1}}, prompt: 4, output: {kind: uniform, min: 2, max: 9}}
        - {name: d, arrivals: {process: weibull, shape: 2, diurnal: {rate: 3, amplitude: 0.5}}, prompt: 4, output: {kind: log-uniform, min: 2, max: 9}}
        - {name: e, arrivals: {process: fixed, ramp: {from: 3, to: 4, over_s: 9}}, prompt: 4, output: {kind: exponential, mean: 5}}
        - {name: f, arrivals: {modulated: {rate: 3, scales: [{every_s: 5, cv: 0.5}]}}, prompt: 4, output: 3}
        - {name: g, arrivals: {process: together}, prompt: 4, output: 3}
      """
    let first = try spec(yaml)
    #expect(try spec(GeneratorYAML.text(first)) == first)
  }

  // MARK: The paper's traces

  private static let maxima = [
    60_000, 60_000, 60_000, 200_000, 280_000, 480_000, 600_000, 1_200_000, 2_000_000,
  ]

  @Test("Stand-ins keep their range, mean, spread and output share, and spreads fall from 0 to 2")
  func paper() throws {
    for number in 0...8 {
      let trace = try PaperTrace(number, requests: 20_000)
      let all = try trace.spec.generate()
      let totals = all.map { Double($0.request.prompt + $0.request.output) }
      let mean = totals.reduce(0, +) / 20_000
      let deviation = (totals.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / 20_000).squareRoot()
      let share = Double(all.reduce(0) { $0 + $1.request.output }) / totals.reduce(0, +)
      #expect((mean / trace.mean - 1).magnitude < 0.06, "\(number): \(mean)")
      #expect((deviation / mean / trace.spread - 1).magnitude < 0.15, "\(number): \(deviation / mean)")
      #expect((share / trace.outputShare - 1).magnitude < 0.1, "\(number): \(share)")
      #expect(totals.max()! <= Double(Self.maxima[number]) && totals.max()! > Double(Self.maxima[number]) / 2)
    }
    #expect(PaperTrace.spreads[0] > PaperTrace.spreads[1] && PaperTrace.spreads[1] > PaperTrace.spreads[2])
    let knob = try PaperTrace(4, mean: 30_000, spread: 1, outputShare: 0.2, requests: 20_000).spec.generate()
    let total = knob.reduce(0) { $0 + $1.request.prompt + $1.request.output }
    #expect((Double(total) / 20_000 / 30_000 - 1).magnitude < 0.06)
    #expect(throws: TraceError.self) { _ = try PaperTrace(9) }
    #expect(throws: TraceError.self) { _ = try PaperTrace(0, mean: 29_000, spread: 5) }
  }

  @Test(
    "The sample files in Traces/ are what their recipes generate, byte for byte, with the checksums noted")
  func samples() throws {
    let package = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .deletingLastPathComponent().deletingLastPathComponent()
    let notes = try String(contentsOf: package.appendingPathComponent("Traces/README.md"), encoding: .utf8)
    let scratch = try Scratch()
    for number in 0...8 {
      let path = scratch.folder + "/paper.csv"
      try TraceConversion.write(try PaperTrace(number, requests: 300).spec.generate(), as: .plain, to: path)
      let kept = package.appendingPathComponent("Traces/paper-\(number).csv")
      #expect(try Data(contentsOf: URL(fileURLWithPath: path)) == Data(contentsOf: kept), "paper-\(number)")
      let digest = try TraceFile.open(path: kept.path).digest
      #expect(notes.contains("| paper-\(number).csv | `\(digest)` |"), "paper-\(number): \(digest)")
    }
  }
}
