import Formatting
import Results
import Runs

/// A result of `vllm bench serve --save-result`, with `--save-detailed` or without, and of `benchmark_serving.py` before it.
/// Lists are seconds, summaries milliseconds.
enum VLLMBenchmark {
  static func isOne(_ json: JSON) -> Bool {
    json["request_rate"] != nil && json["completed"] != nil && json["duration"] != nil
  }

  static func read(_ fields: BenchmarkFields) throws -> BenchmarkRun {
    var run = BenchmarkRun(
      place: fields.place, client: "vllm bench serve", model: fields.string("model_id"),
      gpu: fields.string("gpu"), tp: try parallel(fields), load: .unknown(""))
    run.reported = try reported(fields)
    run.requests = try requests(fields)
    try run.requireAnswers()
    guard run.reported.duration ?? 0 > 0 else { throw fields.failure("duration", "seconds above 0") }
    let timed = !run.requests.isEmpty && run.requests.allSatisfy { $0.sent != nil }
    run.load = try load(fields, sent: run.requests.count, timed: timed)
    if run.requests.isEmpty {
      let completed = try fields.count("completed") ?? 0
      guard completed > 0 else { throw fields.failure("completed", "at least one request") }
      run.means = (
        completed, (try fields.number("total_input_tokens") ?? 0) / Double(completed),
        (try fields.number("total_output_tokens") ?? 0) / Double(completed)
      )
    } else {
      try check(&run, fields)
    }
    return run
  }

  /// `--metadata` makes strings of numbers.
  private static func parallel(_ fields: BenchmarkFields) throws -> Int? {
    guard let value = fields.json["tensor_parallel"], value != .null else { return nil }
    guard let tp = value.integer ?? value.string.flatMap(Int.init), (1...1024).contains(tp) else {
      throw fields.failure("tensor_parallel", "a number of GPUs")
    }
    return tp
  }

  private static func reported(_ fields: BenchmarkFields) throws -> ReportedFigures {
    var reported = ReportedFigures()
    for (metric, name) in [
      (ClientMetric.ttft, "ttft"), (.tpot, "tpot"), (.itl, "itl"), (.e2e, "e2el"),
    ] {
      for (statistic, prefix) in [
        (Statistic.mean, "mean"), (.percentile(50), "median"), (.percentile(90), "p90"),
        (.percentile(99), "p99"),
      ] {
        // An empty list is reported as 0.
        guard let value = try fields.number("\(prefix)_\(name)_ms"), value > 0 else { continue }
        reported.latencies[metric, default: [:]][statistic] = value / 1_000
      }
    }
    reported.duration = try fields.number("duration")
    reported.requestsPerSecond = try fields.number("request_throughput")
    reported.outputTokensPerSecond = try fields.number("output_throughput")
    return reported
  }

  private static func load(_ fields: BenchmarkFields, sent: Int, timed: Bool) throws -> OfferedLoad {
    let most = try fields.count("max_concurrency")
    let requests = try sent > 0 ? sent : fields.count("num_prompts") ?? fields.count("completed") ?? 0
    let isAtOnce =
      fields.string("request_rate").map { $0.lowercased() == "inf" }
      ?? (fields.json["request_rate"] == .null)
    if isAtOnce, fields.json["ramp_up_strategy"] == nil {
      if let most, most > 0, most < requests { return .concurrency(most) }
      return .atOnce
    }
    // With both a rate and a limit the times are those after the wait for the limit.
    if timed { return .timed }
    guard fields.json["ramp_up_strategy"] == nil else {
      return .unknown("a ramp of rates, and the file does not keep when requests were sent")
    }
    guard let rate = try fields.number("request_rate"), rate > 0 else {
      throw fields.failure("request_rate", "requests a second above 0, or \"inf\"")
    }
    if let most, most > 0, most < requests {
      return .unknown(
        "a rate with a limit of concurrency, and the file does not keep when requests were sent")
    }
    let burstiness = try fields.number("burstiness") ?? 1
    guard burstiness == 1 else {
      return .unknown(
        "burstiness \(trimmed(burstiness)), and the file does not keep when requests were sent")
    }
    return .rate(rate)
  }

  private static func requests(_ fields: BenchmarkFields) throws -> [BenchmarkRequest] {
    guard let inputs = try fields.numbers("input_lens"), let outputs = try fields.numbers("output_lens"),
      !inputs.isEmpty
    else { return [] }
    func list(_ key: String, anySign: Bool = false) throws -> [Double]? {
      guard let found = try fields.numbers(key, anySign: anySign) else { return nil }
      guard found.count == inputs.count else {
        throw CommandFailure(
          .badData, "\(fields.place): \(found.count) \(key) and \(inputs.count) input_lens, expected as many")
      }
      return found
    }
    _ = try list("output_lens")
    let ttfts = try list("ttfts")
    let latencies = try list("latencies")
    // A client's own clock, which begins anywhere.
    let starts = try list("start_times", anySign: true)
    let first = starts?.min() ?? 0
    let gaps = fields.json["itls"]?.elements
    if let gaps, gaps.count != inputs.count {
      throw CommandFailure(
        .badData, "\(fields.place): \(gaps.count) itls and \(inputs.count) input_lens, expected as many")
    }
    let errors = fields.json["errors"]?.elements
    return try inputs.indices.map { index in
      guard let prompt = Int(exactly: inputs[index]), let output = Int(exactly: outputs[index]),
        max(prompt, output) <= 1 << 30
      else { throw fields.failure("input_lens", "whole numbers of tokens") }
      var request = BenchmarkRequest(prompt: prompt, output: output)
      request.sent = starts.map { $0[index] - first }
      let said = errors.flatMap { index < $0.count ? $0[index].string : nil } ?? ""
      // A prompt that was never sent back has no time either: what failed is not always said.
      request.failed = !said.isEmpty
      request.ttft = ttfts.flatMap { $0[index] > 0 ? $0[index] : nil }
      if let gaps {
        guard let found = gaps[index].elements?.map(\.number), found.allSatisfy({ $0 ?? -1 >= 0 }) else {
          throw fields.failure("itls", "a list of gaps for each request, seconds")
        }
        request.gaps = found.compactMap(\.self)
      }
      if output > 0, let ttft = request.ttft {
        let known = latencies.flatMap { $0[index] > 0 ? $0[index] : nil }
        // The file has all gaps of an answer, or no latency: one token has none.
        request.latency = known ?? (gaps == nil ? nil : ttft + request.gaps.reduce(0, +))
      }
      return request
    }
  }

  /// What of the file needs a word.
  private static func check(_ run: inout BenchmarkRun, _ fields: BenchmarkFields) throws {
    let served = run.requests.filter { !$0.failed }
    let failed =
      try fields.count("failed") ?? (run.requests.count - (fields.count("completed") ?? run.requests.count))
    run.notes += [run.noteOfFailures(failed)].compactMap(\.self)
    let empty = served.count { $0.output == 0 }
    if empty > 0 {
      run.notes.append("\(empty) answers have no token: replayed as one token, and in no time")
    }
    let times = served.compactMap(\.ttft)
    if let mean = run.reported.latencies[.ttft]?[.mean], !times.isEmpty {
      let own = times.reduce(0, +) / Double(times.count)
      if own > 500 * mean {
        throw CommandFailure(
          .badData,
          "\(fields.place): \"ttfts\" are \(own / mean) times \"mean_ttft_ms\", expected seconds beside milliseconds"
        )
      }
      if abs(own / mean - 1) > 0.01 {
        run.notes.append(
          "the file's own mean TTFT is \(milliseconds(mean)), over requests with a first token it is \(milliseconds(own)): a request without one counts there as 0"
        )
      }
    }
    run.notes += [run.noteOfChunks].compactMap(\.self)
  }

  private static func milliseconds(_ seconds: Double) -> String { "\(figure(1_000 * seconds)) ms" }
}
