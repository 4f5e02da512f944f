import Output
import Results
import Sim

/// A run as `vllm bench serve --save-result --save-detailed` of releases 0.30 to 0.33 writes it: one object, lists in seconds and
/// in the order in which requests were sent, summaries in milliseconds.
struct VLLMResult {
  let run: ClientRun

  init(_ run: ClientRun) { self.run = run }

  func write(to file: OutputWriter) {
    let json = JSONStream(file)
    let (requests, figures) = (run.requests, run.figures)
    // A simulated run has no date; readers expect one.
    json.member("date", "19700101-000000")
    for key in ["endpoint_type", "backend"] { json.member(key, "infinite-sim") }
    json.member("label", nil)
    for key in ["model_id", "tokenizer_id"] { json.member(key, .string(run.model)) }
    json.member("num_prompts", .int(requests.count))
    json.member("simulated", run.about)
    json.member("request_rate", rate)
    json.member("burstiness", 1.0)
    json.member("max_concurrency", nil)
    let seconds = run.span.seconds
    func perSecond(_ count: Int) -> JSON { .double(seconds > 0 ? Double(count) / seconds : 0) }
    json.member("duration", .double(seconds))
    json.member("completed", .int(run.served.count))
    json.member("failed", .int(requests.count - run.served.count))
    json.member("total_input_tokens", .int(run.prompts))
    json.member("total_output_tokens", .int(figures.outputTokens))
    json.member("request_throughput", perSecond(run.served.count))
    json.member("request_goodput", nil)
    json.member("output_throughput", perSecond(figures.outputTokens))
    json.member("total_token_throughput", perSecond(run.prompts + figures.outputTokens))
    json.list("input_lens", requests.lazy.map { .int($0.record.prompt) })
    json.list("output_lens", requests.lazy.map { .int($0.output) })
    json.list("ttfts", requests.lazy.map { .double($0.ttft ?? 0) })
    json.list("itls", requests.lazy.map { .array($0.gaps.map { .double($0.seconds) }) })
    json.list("latencies", requests.lazy.map { .double($0.latency ?? 0) })
    json.list("start_times", requests.lazy.map { .double($0.record.arrival.exactSeconds) })
    json.list("queue_times", requests.lazy.map { _ in 0.0 })
    json.list("generated_texts", requests.lazy.map { _ in "" })
    json.list("errors", requests.lazy.map { .string(ClientRun.error(of: $0)) })
    json.member("max_output_tokens_per_s", .double(Double(mostTokensInASecond)))
    json.member("max_concurrent_requests", .int(mostAtATime))
    json.member("rtfx", 0.0)
    for (metric, name) in [(ClientMetric.ttft, "ttft"), (.tpot, "tpot"), (.itl, "itl"), (.e2e, "e2el")] {
      for (statistic, prefix) in [
        (Statistic.mean, "mean"), (.percentile(50), "median"), (.standardDeviation, "std"),
        (.percentile(90), "p90"), (.percentile(95), "p95"), (.percentile(99), "p99"),
      ] {
        json.member("\(prefix)_\(name)_ms", .double(1_000 * (figures[metric, statistic] ?? 0)))
      }
    }
    json.end()
  }

  /// As the client paces requests: the last is sent at number / rate.
  private var rate: JSON {
    guard !run.isAtOnce, let last = run.requests.map(\.record.arrival).max() else { return "inf" }
    return .double(Double(run.requests.count) / last.seconds)
  }

  private var mostTokensInASecond: Int {
    var counts: [Int64: Int] = [:]
    for request in run.served {
      guard var time = request.record.firstToken else { continue }
      counts[time.picoseconds / 1_000_000_000_000, default: 0] += 1
      for gap in request.gaps {
        time = time + gap
        counts[time.picoseconds / 1_000_000_000_000, default: 0] += 1
      }
    }
    return counts.values.max() ?? 0
  }

  private var mostAtATime: Int {
    // One that ends as another is sent is over.
    let changes = run.served.flatMap { [($0.record.arrival, 1), ($0.record.ended, -1)] }
      .sorted { ($0.0, $0.1) < ($1.0, $1.1) }
    var (now, most) = (0, 0)
    for (_, change) in changes {
      now += change
      most = max(most, now)
    }
    return most
  }
}
