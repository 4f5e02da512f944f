import Output
import Results
import Sim

/// A run as GuideLLM 0.8 writes it: `benchmarks.json` with one benchmark, all its requests, and no texts.
struct GuideLLMResult {
  let run: ClientRun

  init(_ run: ClientRun) { self.run = run }

  /// The clock begins at a second: 0 is a time that was never set. One of this century has no picoseconds in a double.
  private static func clock(_ time: SimTime) -> JSON { .double((time + .seconds(1)).exactSeconds) }

  private var failed: [ClientRequest] { run.requests.filter { !$0.isServed } }
  private var begin: SimTime { run.requests.map(\.record.arrival).min() ?? .zero }

  func write(to file: OutputWriter) {
    let json = JSONStream(file)
    json.member("metadata", ["version": 2, "guidellm_version": "0.8.1", "platform": "infinite-sim"])
    let engine: [JSON.Member] = [.init("target", "infinite-sim"), .init("model", .string(run.model))]
    let (planned, used): (JSON, JSON) = (
      .object([.init("kind", "openai_http")] + engine), .object([.init("type_", "openai_http")] + engine)
    )
    let trace = run.about["trace"] ?? "trace"
    json.member(
      "config",
      [
        "metadata": ["labels": ["simulated": .string(run.about.text)]],
        "spec": [
          "backend": planned, "profile": ["kind": "replay"],
          "data": [["kind": "huggingface", "source": trace]],
        ],
      ])
    json.object("benchmarks", inList: true) {
      json.member("type_", "generative_benchmark")
      json.member(
        "config",
        [
          "id_": "simulated", "run_id": "simulated", "run_index": 0, "strategy": strategy, "constraints": [:],
          "sample_size": nil, "prefer_response_metrics": true, "profile": ["kind": "replay"],
          "requests": ["data": trace], "backend": used,
          "environment": [:],
        ])
      json.member("scheduler_state", state)
      json.member("scheduler_metrics", scheduler)
      json.member("metrics", metrics)
      json.object("requests") {
        json.list("successful", run.served.lazy.map { request($0) })
        json.list("errored", failed.lazy.map { request($0) })
        json.list("incomplete", [])
        json.member("total", nil)
      }
      let (start, end) = (Self.clock(begin), Self.clock(begin + run.span))
      json.members([
        .init("warnings", []), .init("start_time", start), .init("end_time", end),
        .init("duration", .double(run.span.seconds)), .init("warmup_duration", 0.0),
        .init("cooldown_duration", 0.0),
      ])
    }
    json.list("conclusions", [])
    json.end()
  }

  /// All at once, or at times of their own.
  private var strategy: JSON {
    run.isAtOnce
      ? ["type_": "throughput", "worker_count": nil, "max_concurrency": nil, "rampup_duration": 0.0]
      : ["type_": "trace", "worker_count": nil, "max_concurrency": nil, "time_scale": 1.0]
  }

  private var totals: JSON {
    [
      "successful": .int(run.served.count), "errored": .int(failed.count), "incomplete": 0,
      "total": .int(run.requests.count),
    ]
  }

  private var state: JSON {
    [
      "start_time": Self.clock(begin), "end_time": Self.clock(begin + run.span),
      "created_requests": .int(run.requests.count), "processed_requests": .int(run.requests.count),
      "successful_requests": .int(run.served.count), "errored_requests": .int(failed.count),
      "cancelled_requests": 0,
    ]
  }

  private var scheduler: JSON {
    let (start, end) = (Self.clock(begin), Self.clock(begin + run.span))
    // What the client itself does takes no time.
    let delays = [
      "queued_time", "resolve_start_delay", "resolve_targeted_start_delay", "request_start_delay",
      "request_targeted_start_delay", "resolve_end_delay", "finalized_delay", "processed_delay",
    ]
    let time = run.figures[.e2e, .mean] ?? 0
    let members: [JSON.Member] = [
      .init("start_time", start), .init("request_start_time", start), .init("measure_start_time", start),
      .init("measure_end_time", end), .init("request_end_time", end), .init("end_time", end),
      .init("requests_made", totals), .init("request_time_avg", .double(time)),
      .init("resolve_time_avg", .double(time)),
    ]
    return .object(members + delays.map { .init("\($0)_avg", 0.0) })
  }

  // MARK: - Requests

  private func request(_ request: ClientRequest) -> JSON {
    let (record, id) = (request.record, JSON.string("request-\(request.record.id.index)"))
    let (start, end) = (Self.clock(record.arrival), Self.clock(record.ended))
    let first = request.isServed ? record.firstToken.map(Self.clock) ?? .null : .null
    let last = request.isServed ? end : .null
    let total = record.prompt + request.output
    func perSecond(_ tokens: Int) -> JSON { .optional(request.latency.map { Double(tokens) / $0 }) }
    return [
      "type_": "generative_request_stats", "request_id": id, "response_id": nil, "request_args": nil,
      "output": nil,
      "info": [
        "request_id": id, "turn_index": 0, "status": request.isServed ? "completed" : "errored",
        "timings": [
          "targeted_start": start, "queued": start, "dequeued": start, "scheduled_at": start,
          "resolve_start": start, "request_start": start, "first_request_iteration": first,
          "first_token_iteration": first, "last_token_iteration": last, "last_request_iteration": last,
          "request_iterations": .int(request.output), "token_iterations": .int(request.output),
          "request_end": last, "resolve_end": end, "finalized": end,
        ], "error": request.isServed ? nil : .string(ClientRun.error(of: request)),
      ],
      "input_metrics": ["text_tokens": .int(record.prompt), "total_tokens": .int(record.prompt)],
      "output_metrics": ["text_tokens": .int(request.output), "total_tokens": .int(request.output)],
      "request_start_time": start, "request_end_time": end, "request_latency": .optional(request.latency),
      "prompt_tokens": .int(record.prompt), "output_tokens": .int(request.output),
      "total_tokens": .int(total), "time_to_first_token_ms": .optional(request.ttft.map { 1_000 * $0 }),
      "time_per_output_token_ms": .optional(
        request.latency.map { 1_000 * $0 / Double(request.output) }),
      "inter_token_latency_ms": .optional(Self.meanGap(of: request).map { 1_000 * $0 }),
      "tokens_per_second": perSecond(total), "output_tokens_per_second": perSecond(request.output),
    ]
  }

  private static func meanGap(of request: ClientRequest) -> Double? {
    ClientMetric.tpot.values(ttft: request.ttft, latency: request.latency, output: request.output, gaps: [])
      .first
  }

  // MARK: - Metrics

  private var metrics: JSON {
    func each(_ value: (ClientRequest) -> Double?, weight: (ClientRequest) -> Int = { _ in 1 }) -> JSON {
      let good = Distribution(run.served.compactMap { one in value(one).map { ($0, weight(one)) } }).json
      let none = Distribution([]).json
      return ["successful": good, "errored": none, "incomplete": none, "total": good]
    }
    // Rates of moments are not kept: told as if they were even.
    func mean(_ sum: Double, failed: Double = 0) -> JSON {
      let window = run.span.seconds
      func one(_ sum: Double) -> JSON { Distribution([(window > 0 ? sum / window : 0, 1)]).json }
      return [
        "successful": one(sum), "errored": one(failed), "incomplete": one(0), "total": one(sum + failed),
      ]
    }
    let tokens = run.figures.outputTokens
    func milliseconds(_ seconds: Double?) -> Double? { seconds.map { 1_000 * $0 } }
    let rates: [JSON.Member] = [
      .init("request_totals", totals),
      .init("requests_per_second", mean(Double(run.served.count), failed: Double(failed.count))),
      .init("request_concurrency", mean(run.served.reduce(0) { $0 + ($1.latency ?? 0) })),
      .init("prompt_tokens_per_second", mean(Double(run.prompts))),
      .init("output_tokens_per_second", mean(Double(tokens))),
      .init("tokens_per_second", mean(Double(run.prompts + tokens))),
    ]
    let counts: [JSON.Member] = [
      .init("prompt_token_count", each { Double($0.record.prompt) }),
      .init("output_token_count", each { Double($0.output) }),
      .init("total_token_count", each { Double($0.record.prompt + $0.output) }),
      .init("request_streaming_iterations_count", each { Double($0.output) }),
      .init("output_tokens_per_iteration", each { _ in 1 }),
      .init("iter_tokens_per_iteration", each { _ in 1 }),
    ]
    let firstToken = each { milliseconds($0.ttft) }
    let perToken = each(
      { one in milliseconds(one.latency).map { $0 / Double(one.output) } }, weight: \.output)
    let gap = each({ milliseconds(Self.meanGap(of: $0)) }, weight: { $0.output - 1 })
    let latencies: [JSON.Member] = [
      .init("request_latency", each(\.latency)), .init("time_to_first_token_ms", firstToken),
      .init("time_to_first_output_token_ms", firstToken), .init("time_per_output_token_ms", perToken),
      .init("inter_token_latency_ms", gap), .init("time_to_last_round_trip_ms", each { _ in nil }),
      .init("avg_round_trip_time_ms", each { _ in nil }),
    ]
    let others = Self.unknown.map { key, parts in
      JSON.Member(key, .object(parts.map { .init($0, nil) }))
    }
    return .object(rates + latencies + counts + others)
  }

  /// Of what else GuideLLM counts.
  private static let unknown = [
    ("text", ["tokens", "words", "characters"]), ("image", ["tokens", "images", "pixels", "bytes"]),
    ("video", ["tokens", "frames", "seconds", "bytes"]),
    ("audio", ["tokens", "samples", "seconds", "bytes"]), ("tool_call", ["tokens", "mixed_tokens", "count"]),
  ]
}

/// What GuideLLM says of values, each with a weight. Percentiles are not interpolated.
private struct Distribution {
  private let values: [(value: Double, weight: Int)]
  private let weight: Int

  init(_ values: [(value: Double, weight: Int)]) {
    self.values = values.sorted { $0.value < $1.value }
    weight = values.reduce(0) { $0 + $1.weight }
  }

  var json: JSON {
    let sum = values.reduce(0) { $0 + $1.value * Double($1.weight) }
    let mean = weight > 0 ? sum / Double(weight) : 0
    let squares = values.reduce(0) { $0 + ($1.value - mean) * ($1.value - mean) * Double($1.weight) }
    let variance = weight > 0 ? squares / Double(weight) : 0
    return [
      "mean": .double(mean), "median": .double(percentile(0.5)),
      "mode": .double(values.max { $0.weight < $1.weight }?.value ?? 0), "variance": .double(variance),
      "std_dev": .double(variance.squareRoot()), "min": .double(values.first?.value ?? 0),
      "max": .double(values.last?.value ?? 0), "count": .int(weight), "total_sum": .double(sum),
      "percentiles": .object(Self.percentiles.map { .init($0.name, .double(percentile($0.share))) }),
      "pdf": nil,
    ]
  }

  private static let percentiles: [(name: String, share: Double)] = [
    ("p001", 0.001), ("p01", 0.01), ("p05", 0.05), ("p10", 0.1), ("p25", 0.25), ("p50", 0.5), ("p75", 0.75),
    ("p90", 0.9), ("p95", 0.95), ("p99", 0.99), ("p999", 0.999),
  ]

  /// The lowest value with at least such a share of the weight at or below it.
  private func percentile(_ share: Double) -> Double {
    var below = 0
    for (value, weight) in values {
      below += weight
      if Double(below) >= share * Double(self.weight) { return value }
    }
    return 0
  }
}
