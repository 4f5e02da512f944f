import Formatting
import Results
import Runs

/// Files of AIPerf: `profile_export.jsonl`, a request a line, and `profile_export_aiperf.json`, a summary.
enum AIPerfBenchmark {
  static func isRecord(_ json: JSON) -> Bool { json["metadata"]?["request_start_ns"] != nil }
  static func isSummary(_ json: JSON) -> Bool { json["request_latency"]?["avg"] != nil }

  /// The requests of a measured phase; those of the warm-up are left out.
  static func read(_ records: [BenchmarkFields], place: String) throws -> BenchmarkRun {
    var run = BenchmarkRun(place: place, client: "AIPerf", load: .timed)
    var sent: [(at: Int, rest: Int, request: BenchmarkRequest)] = []
    var warmUp = 0
    for record in records {
      guard let metadata = record.object("metadata"), let start = metadata.json["request_start_ns"]?.integer
      else {
        throw record.failure("metadata", "a request's start, request_start_ns")
      }
      guard metadata.string("benchmark_phase") ?? "profiling" == "profiling" else {
        warmUp += 1
        continue
      }
      // Picoseconds beyond the nanosecond, in files of `run --bench-out`.
      sent.append((start, try metadata.count("request_start_rest_ps") ?? 0, try request(record)))
    }
    guard let first = sent.map(\.at).min() else {
      throw CommandFailure(.badData, "\(place): no request of the phase \"profiling\"")
    }
    sent.sort { ($0.at, $0.rest) < ($1.at, $1.rest) }
    run.requests = sent.map { at, rest, request in
      var request = request
      request.sent = (1_000 * Double(at - first) + Double(rest)) / 1e12
      return request
    }
    let failed = run.requests.count(where: \.failed)
    if warmUp > 0 { run.notes.append("\(warmUp) requests of the warm-up are left out, and are not replayed") }
    run.notes += [run.noteOfFailures(failed), run.noteOfChunks].compactMap(\.self)
    run.notes.append("AIPerf counts tokens with a tokenizer of its own unless --use-server-token-count")
    return run
  }

  static func read(summary fields: BenchmarkFields) throws -> BenchmarkRun {
    var run = BenchmarkRun(
      place: fields.place, client: "AIPerf\(fields.string("aiperf_version").map { " \($0)" } ?? "")",
      load: .unknown("a summary: how requests were sent is not in it; give profile_export.jsonl"))
    func average(_ key: String) throws -> Double? { try fields.object(key)?.number("avg") }
    for (metric, key) in [
      (ClientMetric.ttft, "time_to_first_token"), (.tpot, "inter_token_latency"),
      (.itl, "inter_chunk_latency"), (.e2e, "request_latency"),
    ] {
      guard let found = fields.object(key) else { continue }
      for (statistic, name) in [
        (Statistic.mean, "avg"), (.percentile(50), "p50"), (.percentile(90), "p90"), (.percentile(99), "p99"),
      ] {
        guard let value = try found.number(name) else { continue }
        run.reported.latencies[metric, default: [:]][statistic] = value / 1_000
      }
    }
    run.reported.duration = try average("benchmark_duration")
    run.reported.requestsPerSecond = try average("request_throughput")
    run.reported.outputTokensPerSecond = try average("output_token_throughput")
    if let requests = try average("request_count"), let prompt = try average("input_sequence_length"),
      let output = try average("output_sequence_length")
    {
      run.means = (Int(requests), prompt, output)
    }
    return run
  }

  private static func request(_ record: BenchmarkFields) throws -> BenchmarkRequest {
    let metrics = record.object("metrics")
    func value(_ key: String) throws -> Double? { try metrics?.object(key)?.number("value") }
    func tokens(_ key: String) throws -> Int? { try metrics?.object(key)?.tokens("value") }
    var request = BenchmarkRequest(
      prompt: try tokens("input_sequence_length") ?? tokens("error_isl") ?? 0,
      output: try tokens("output_sequence_length") ?? 0)
    request.failed = record.json["error"].map { $0 != .null } ?? false
    guard !request.failed else { return request }
    guard request.prompt > 0 else {
      throw record.failure("metrics", "input_sequence_length of at least one token")
    }
    request.ttft = try value("time_to_first_token").map { $0 / 1_000 }
    request.latency = try value("request_latency").map { $0 / 1_000 }
    request.gaps = try metrics?.object("inter_chunk_latency")?.numbers("value")?.map { $0 / 1_000 } ?? []
    return request
  }
}
