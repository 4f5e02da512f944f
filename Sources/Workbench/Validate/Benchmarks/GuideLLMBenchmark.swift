import Formatting
import Results
import Runs

/// The file of GuideLLM, releases 0.2 to 0.8: a list of benchmarks, each with its requests.
enum GuideLLMBenchmark {
  static func isOne(_ json: JSON) -> Bool { json["benchmarks"]?.elements != nil }

  static func read(_ fields: BenchmarkFields) throws -> [BenchmarkRun] {
    let version = fields.object("metadata")?.string("guidellm_version")
    let benchmarks = try fields.objects("benchmarks")
    guard !benchmarks.isEmpty else { throw fields.failure("benchmarks", "at least one benchmark") }
    return try benchmarks.enumerated().map { index, benchmark in
      var run = try self.benchmark(benchmark)
      run.client = "GuideLLM\(version.map { " \($0)" } ?? "")"
      run.place =
        "\(fields.place)\(benchmarks.count > 1 ? ", benchmark \(index + 1) of \(benchmarks.count)" : "")"
      return run
    }
  }

  private static func benchmark(_ fields: BenchmarkFields) throws -> BenchmarkRun {
    let settings = fields.object("config") ?? fields.object("args")
    var run = BenchmarkRun(
      place: fields.place, client: "GuideLLM",
      model: settings?.object("backend")?.string("model") ?? fields.object("worker")?.string("backend_model"),
      load: .unknown(""))
    guard let requests = fields.object("requests") else {
      throw fields.failure("requests", "lists of requests")
    }
    var all = try requests.objects("successful").map { try request($0, failed: false) }
    let failed = try ["errored", "incomplete"].flatMap { try requests.objects($0) }
    let served = all.count
    all += try failed.compactMap {
      try $0.number("request_start_time") == nil ? nil : try request($0, failed: true)
    }
    guard !all.isEmpty else { throw requests.failure("successful", "at least one request") }
    guard all.allSatisfy({ $0.sent != nil }) else {
      throw requests.failure("successful", "requests with the time at which each was sent")
    }
    // Lists may be in any order.
    all.sort { ($0.sent ?? 0) < ($1.sent ?? 0) }
    let first = all[0].sent ?? 0
    for index in all.indices { all[index].sent = all[index].sent.map { $0 - first } }
    run.requests = all
    run.load = load(settings?.object("strategy"), requests: all.count)
    if !failed.isEmpty {
      run.notes.append(
        "\(failed.count) requests failed or were cut off: they are not replayed, and the engine may have spent time on them"
      )
    }
    let totals = fields.object("request_totals") ?? fields.object("metrics")?.object("request_totals")
    if let made = try totals?.count("successful"), made != served {
      run.load = .unknown("the file holds \(served) of \(made) requests, a sample of them")
    }
    let mute = all.count { !$0.failed && $0.ttft == nil }
    if mute > 0 {
      run.notes.append("\(mute) answers have no first token; GuideLLM before 0.8 counts them as 0 ms")
    }
    run.notes.append("latencies end with the last token, where GuideLLM's end with the stream")
    return run
  }

  private static func load(_ strategy: BenchmarkFields?, requests: Int) -> OfferedLoad {
    let limit = strategy?.json["max_concurrency"]?.integer
    return switch strategy?.string("type_") {
    case "synchronous": .concurrency(1)
    case "concurrent":
      strategy?.json["streams"]?.integer.map { .concurrency(max(1, $0)) } ?? .timed
    case "throughput":
      if let limit, limit < requests { .concurrency(max(1, limit)) } else { .timed }
    default: .timed
    }
  }

  private static func request(_ fields: BenchmarkFields, failed: Bool) throws -> BenchmarkRequest {
    func positive(_ key: String) throws -> Double? {
      // -1 is a time that was never set.
      guard let found = try fields.number(key, atLeast: -1e15), found > 0 else { return nil }
      return found
    }
    var request = BenchmarkRequest(
      prompt: try fields.tokens("prompt_tokens") ?? fields.tokens("input_tokens") ?? 0,
      output: try fields.tokens("output_tokens") ?? 0)
    request.failed = failed
    request.sent = try positive("request_start_time") ?? positive("start_time")
    guard !failed else { return request }
    guard request.prompt > 0 else { throw fields.failure("prompt_tokens", "at least one token") }
    request.ttft = try positive("time_to_first_token_ms").map { $0 / 1_000 }
    if let ttft = request.ttft {
      if request.output > 1, let gap = try positive("inter_token_latency_ms") {
        request.latency = ttft + gap / 1_000 * Double(request.output - 1)
      } else if request.output == 1 {
        request.latency = ttft
      }
    }
    return request
  }
}
