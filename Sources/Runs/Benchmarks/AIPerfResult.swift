import Output
import Results
import Sim

/// A run as AIPerf 0.13 writes it: `profile_export.jsonl`, a request a line, and `profile_export_aiperf.json`, a summary.
struct AIPerfResult {
  let run: ClientRun

  init(_ run: ClientRun) { self.run = run }

  // MARK: - Records

  func writeRecords(to file: OutputWriter) {
    for request in run.requests {
      file.write(record(of: request).text)
      file.endLine()
    }
  }

  private func record(of request: ClientRequest) -> JSON {
    let (record, number) = (request.record, request.record.id.index)
    let start = Int(record.arrival.picoseconds)
    var metadata: [JSON.Member] = [
      .init("session_num", .int(number)), .init("x_request_id", .string("request-\(number)")),
      .init("x_correlation_id", .string("request-\(number)")),
      .init("conversation_id", .string("request-\(number)")), .init("turn_index", 0),
      .init("credit_issued_ns", .int(start / 1_000)), .init("request_start_ns", .int(start / 1_000)),
    ]
    // Whole nanoseconds are not when it was sent; AIPerf's own files have no such key.
    if start % 1_000 != 0 { metadata.append(.init("request_start_rest_ps", .int(start % 1_000))) }
    if let first = record.firstToken, request.isServed {
      metadata.append(.init("request_ack_ns", .int(Int(first.picoseconds / 1_000))))
    }
    metadata += [
      .init("request_end_ns", .int(Int(record.ended.picoseconds / 1_000))),
      .init("worker_id", .string("infinite-sim")), .init("record_processor_id", .string("infinite-sim")),
      .init("benchmark_phase", "profiling"), .init("phase_index", 0), .init("profiling_index", 0),
      .init("phase_name", "profiling"), .init("phase_kind", "profiling"), .init("was_cancelled", false),
    ]
    guard request.isServed else {
      let reason = ClientRun.error(of: request)
      return [
        "metadata": .object(metadata), "metrics": ["error_isl": Self.value(.int(record.prompt), "tokens")],
        "error": ["code": 400, "type": .string(record.outcome.text), "message": .string(reason)],
      ]
    }
    return ["metadata": .object(metadata), "metrics": .object(metrics(of: request))]
  }

  /// What does not apply is left out.
  private func metrics(of request: ClientRequest) -> [JSON.Member] {
    var members = Self.values(of: request).map { metric, value in
      JSON.Member(
        metric.key, Self.value(metric.unit == "tokens" ? .int(Int(value)) : .double(value), metric.unit))
    }
    if !request.gaps.isEmpty {
      members.append(
        .init(
          "inter_chunk_latency", Self.value(.array(request.gaps.map { .double(1_000 * $0.seconds) }), "ms")))
    }
    return members
  }

  private static func value(_ value: JSON, _ unit: String) -> JSON {
    ["value": value, "unit": .string(unit)]
  }

  private struct Metric: Hashable {
    var key: String
    var unit: String
  }

  /// The single numbers that AIPerf has of a served request.
  private static func values(of request: ClientRequest) -> [(Metric, Double)] {
    guard let ttft = request.ttft, let latency = request.latency else { return [] }
    let output = request.output
    let perToken = ClientMetric.tpot.values(ttft: ttft, latency: latency, output: output, gaps: []).first
    let all: [(String, String, Double?)] = [
      ("time_to_first_token", "ms", 1_000 * ttft),
      ("time_to_second_token", "ms", request.gaps.first.map { 1_000 * $0.seconds }),
      ("request_latency", "ms", 1_000 * latency), ("inter_token_latency", "ms", perToken.map { 1_000 * $0 }),
      ("input_sequence_length", "tokens", Double(request.record.prompt)),
      ("output_sequence_length", "tokens", Double(output)), ("output_token_count", "tokens", Double(output)),
      ("output_token_throughput_per_user", "tokens/sec/user", perToken.map { 1 / $0 }),
      ("e2e_output_token_throughput", "tokens/sec/user", Double(output) / latency),
    ]
    return all.compactMap { key, unit, value in value.map { (Metric(key: key, unit: unit), $0) } }
  }

  // MARK: - Summary

  func writeSummary(to file: OutputWriter) {
    let json = JSONStream(file)
    json.members([
      .init("schema_version", "1.4"), .init("aiperf_version", "0.13.0"), .init("simulated", run.about),
    ])
    let figures = run.figures
    for (key, unit, value) in [
      ("request_throughput", "requests/sec", figures.requestsPerSecond),
      ("output_token_throughput", "tokens/sec", figures.outputTokensPerSecond),
      ("benchmark_duration", "sec", figures.duration),
      ("request_count", "requests", Double(run.served.count)),
      ("error_request_count", "requests", Double(run.requests.count - run.served.count)),
      ("total_isl", "tokens", Double(run.prompts)), ("total_osl", "tokens", Double(figures.outputTokens)),
    ] {
      if let value, value.isFinite { json.member(key, ["unit": .string(unit), "avg": .double(value)]) }
    }
    var order: [Metric] = []
    var found: [Metric: [Double]] = [:]
    for (metric, value) in run.served.flatMap(Self.values) {
      if found[metric] == nil { order.append(metric) }
      found[metric, default: []].append(value)
    }
    for metric in order { json.member(metric.key, Self.summary(found[metric] ?? [], metric.unit)) }
    let gaps = (figures.values[.itl] ?? []).map { 1_000 * $0 }
    if !gaps.isEmpty { json.member("inter_chunk_latency", Self.summary(gaps, "ms")) }
    json.members([.init("was_cancelled", false), .init("is_complete", true)])
    json.end()
  }

  private static func summary(_ values: [Double], _ unit: String) -> JSON {
    let sorted = values.sorted()
    var members: [JSON.Member] = [.init("unit", .string(unit))]
    func add(_ key: String, _ statistic: Statistic) {
      members.append(.init(key, .optional(statistic.of(sorted))))
    }
    add("avg", .mean)
    for percent in [1, 5, 10, 25, 50, 75, 90, 95, 99] { add("p\(percent)", .percentile(percent)) }
    members += [.init("min", .optional(sorted.first)), .init("max", .optional(sorted.last))]
    add("std", .standardDeviation)
    return .object(
      members + [.init("count", .int(sorted.count)), .init("sum", .double(sorted.reduce(0, +)))])
  }
}
