import Formatting
import Foundation
import GRDB
import Output
import Results
import Sim

/// Figures of single runs, from samples and decisions.
enum RunFigures {
  // MARK: - KV blocks in use

  /// Blocks in use as a share of all, by instance over time.
  static func kvUse(_ run: NamedRun, _ db: Database) throws -> Drawing? {
    let sql = """
      SELECT instance, time_ps * 1e-12 AS time_s, used_blocks, hosted_blocks,
        json_extract(run.manifest, '$.cluster.kv_blocks') AS blocks
      FROM instance_sample JOIN run ON run.id = run_id WHERE run_id = \(run.id) ORDER BY instance, time_ps
      """
    let rows = try Row.fetchAll(db, sql: sql)
    guard !rows.isEmpty else { return nil }
    let times = Set(rows.map { $0["time_s"] as Double }).sorted()
    // Samples are as far apart as the last ones, or less: time is cut into that many columns at most.
    let end = times[times.count - 1]
    let columns = min(240, times.count)
    let interval = end / Double(columns)
    let instances = (rows.map { $0["instance"] as Int }.max() ?? 0) + 1
    var sums = Array(repeating: Array(repeating: (0.0, 0), count: columns), count: instances)
    for row in rows {
      let time: Double = row["time_s"]
      guard let blocks = row["blocks"] as Int?, blocks > 0 else { continue }
      let column = min(columns - 1, max(0, Int((time / interval).rounded(.up)) - 1))
      let instance: Int = row["instance"]
      sums[instance][column].0 += Double(row["used_blocks"] as Int) / Double(blocks) * 100
      sums[instance][column].1 += 1
    }
    let map = TimeMap(
      yLabel: "instance", colorLabel: "KV blocks in use, %", interval: interval,
      values: sums.map { row in row.map { $0.1 == 0 ? nil : $0.0 / Double($0.1) } }, most: 100)
    return Drawing(
      title: "KV blocks in use by instance: \(run.label)",
      caption:
        "Blocks in use, those hosted for others among them, as a share of an instance's blocks; means of the "
        + "samples in each of \(columns) columns.",
      script: map.script, size: (860, min(640, 190 + 22 * instances)), rows: Table(query: rows), sql: sql)
  }

  // MARK: - Batch sizes

  /// Requests running per instance over time: the mean over instances, a line per run.
  static func batchSizes(_ runs: [NamedRun], _ db: Database) throws -> Drawing? {
    let sql = """
      SELECT run_id, time_ps * 1e-12 AS time_s, avg(running) AS running, min(running) AS fewest,
        max(running) AS most, sum(queued) AS queued
      FROM instance_sample WHERE run_id IN (\(runs.idList)) GROUP BY run_id, time_ps ORDER BY run_id, time_ps
      """
    let rows = try Row.fetchAll(db, sql: sql)
    guard !rows.isEmpty else { return nil }
    let series = runs.map { run in
      LineChart.Series(
        label: run.label,
        points: rows.filter { $0["run_id"] == run.id }.map { .init(x: $0["time_s"], y: $0["running"]) },
        style: .lines)
    }
    let chart = LineChart(xLabel: "time, s", yLabel: "requests running per instance", series: series)
    return Drawing(
      title: "Batch sizes over time",
      caption: "Requests that run (decode or are prefilled), mean over the instances at each sample.",
      script: chart.script, rows: Table(query: rows), sql: sql)
  }

  // MARK: - Lending

  /// Blocks lent by home and host over the whole run.
  static func lending(_ run: NamedRun, _ db: Database) throws -> Drawing? {
    // Blocks land with a move on the instance that was not the home: recalls are told by the order before them.
    let sql = """
      SELECT source AS home, destination AS host, sum(blocks) AS blocks, count(*) AS loans
      FROM decision WHERE run_id = \(run.id) AND (kind = 'borrow' OR (kind = 'landed' AND reason = 'moved'))
      GROUP BY source, destination ORDER BY source, destination
      """
    let rows = try Row.fetchAll(db, sql: sql)
    guard !rows.isEmpty else { return nil }
    let count =
      try Int.fetchOne(
        db, sql: "SELECT json_extract(manifest, '$.cluster.instances') FROM run WHERE id = ?",
        arguments: [run.id]) ?? 0
    let most = rows.map { max($0["home"] as Int, $0["host"] as Int) }.max() ?? 0
    let instances = max(count, most + 1)
    var values: [[Double?]] = Array(repeating: Array(repeating: nil, count: instances), count: instances)
    for row in rows { values[row["home"]][row["host"]] = Double(row["blocks"] as Int) }
    let names = (0..<instances).map(String.init)
    let map = HeatMap(
      xLabel: "host (lends), instance", yLabel: "home (borrows), instance", colorLabel: "KV blocks lent",
      columns: names, rows: names, values: values,
      text: { instances <= 12 ? compact($0) : "" }, scale: .amount)
    let side = min(760, 260 + 40 * instances)
    return Drawing(
      title: "Who lent to whom: \(run.label)",
      caption: "KV blocks lent over the whole run: borrowed when a home was full, and moved by the planner.",
      script: map.script, size: (min(860, side + 140), side - 60), rows: Table(query: rows), sql: sql)
  }

  // MARK: - Moves

  /// Loans, moves and preemptions over time, as arrows between instances.
  static func moves(_ run: NamedRun, _ db: Database) throws -> Drawing? {
    let sql = """
      SELECT time_ps * 1e-12 AS time_s, kind, request_id, source, destination, blocks, reason
      FROM decision WHERE run_id = \(run.id) AND kind <> 'reserve' ORDER BY id
      """
    let rows = try Row.fetchAll(db, sql: sql)
    guard !rows.isEmpty else { return nil }
    var underWay: [Int: ArrowChart.Arrow] = [:]
    var kinds: [String: [ArrowChart.Arrow]] = [:]
    for row in rows {
      let (kind, request): (String, Int) = (row["kind"], row["request_id"])
      let arrow = ArrowChart.Arrow(
        start: row["time_s"], from: row["source"], end: row["time_s"], to: row["destination"])
      switch kind {
      case "move", "recall": underWay[request] = arrow
      case "landed", "move-aborted":
        guard var order = underWay.removeValue(forKey: request) else { continue }
        order.end = row["time_s"]
        kinds[kind == "landed" ? "moves, order to landing" : "aborted moves", default: []].append(order)
      case "borrow": kinds["loans", default: []].append(arrow)
      case "move-refused": kinds["refused moves", default: []].append(arrow)
      case "steal": kinds["requests stolen", default: []].append(arrow)
      case "preempt": kinds["preemptions", default: []].append(arrow)
      default: kinds["rejections", default: []].append(arrow)
      }
    }
    let order = [
      "moves, order to landing", "loans", "preemptions", "refused moves", "aborted moves", "requests stolen",
      "rejections",
    ]
    let drawn = order.compactMap { kind in
      kinds[kind].map { (label: "\(kind) (\(grouped($0.count)))", arrows: thinned($0)) }
    }
    guard !drawn.isEmpty else { return nil }
    let instances =
      try Int.fetchOne(
        db, sql: "SELECT json_extract(manifest, '$.cluster.instances') FROM run WHERE id = ?",
        arguments: [run.id]) ?? 1
    let thinning =
      kinds.values.contains { $0.count > mostArrows }
      ? " Of more than \(grouped(mostArrows)) of a kind every n-th is drawn." : ""
    return Drawing(
      title: "Moves and loans over time: \(run.label)",
      caption: "From source to destination; a point is a decision about one instance.\(thinning)",
      script: ArrowChart(instances: instances, kinds: drawn).script,
      size: (860, min(680, 220 + 26 * instances)), rows: Table(query: rows), sql: sql)
  }

  private static let mostArrows = 600

  private static func thinned(_ arrows: [ArrowChart.Arrow]) -> [ArrowChart.Arrow] {
    let step = (arrows.count + mostArrows - 1) / mostArrows
    return step <= 1
      ? arrows : stride(from: 0, to: arrows.count, by: step).map { arrows[$0] }
  }

  // MARK: - Where time went

  /// Mean seconds per completed request by cause, a bar per run.
  static func timeByCause(_ runs: [NamedRun], _ db: Database) throws -> Drawing? {
    let causes = TimeByCause.Cause.allCases
    let columns = causes.map { cause in
      let column = TimeByCause.column(cause)
      return "avg(\(column)) * 1e-12 AS \(column.dropLast(3))_s"
    }
    let sql = """
      SELECT run_id, count(*) AS requests, \(columns.joined(separator: ",\n  "))
      FROM request_account JOIN request USING (run_id, request_id)
      WHERE run_id IN (\(runs.idList)) AND rejected_because IS NULL GROUP BY run_id ORDER BY run_id
      """
    let rows = try Row.fetchAll(db, sql: sql)
    let shown = runs.filter { run in rows.contains { $0["run_id"] == run.id } }
    guard !shown.isEmpty else { return nil }
    let values = causes.map { cause in
      shown.map { run in
        (rows.first { $0["run_id"] == run.id }?["\(TimeByCause.column(cause).dropLast(3))_s"] as Double?) ?? 0
      }
    }
    let bars = StackedBars(
      xLabel: "mean seconds per completed request", bars: shown.map(\.label), parts: causes.map(\.words),
      values: values)
    return Drawing(
      title: "Where requests' time went",
      caption:
        "From arrival to completion, mean over the completed requests; the parts add up to E2E exactly.",
      script: bars.script, size: (860, 210 + 34 * shown.count), rows: Table(query: rows), sql: sql)
  }

  /// GPU-seconds per million output tokens by what the GPUs did, a bar per run.
  static func gpuTime(_ runs: [NamedRun], _ db: Database) throws -> Drawing? {
    let sql = """
      WITH work AS (
        SELECT run_id, sum(decode_ps) * 1e-12 AS decode, sum(decode_and_prefill_ps) * 1e-12 AS both,
          sum(prefill_ps) * 1e-12 AS prefill FROM instance_work GROUP BY run_id),
      shape AS (
        SELECT id, output_tokens * 1e-6 AS millions, makespan_s,
          json_extract(manifest, '$.cluster.instances') AS instances,
          json_extract(manifest, '$.cluster.tp') * json_extract(manifest, '$.cluster.pp') AS gpus FROM run)
      SELECT run_id, gpus * decode / millions AS decode_gpu_s, gpus * both / millions AS decode_and_prefill_gpu_s,
        gpus * prefill / millions AS prefill_gpu_s,
        gpus * (instances * makespan_s - decode - both - prefill) / millions AS idle_gpu_s
      FROM work JOIN shape ON shape.id = run_id WHERE run_id IN (\(runs.idList)) AND millions > 0 ORDER BY run_id
      """
    let rows = try Row.fetchAll(db, sql: sql)
    let shown = runs.filter { run in rows.contains { $0["run_id"] == run.id } }
    guard !shown.isEmpty else { return nil }
    let parts = [
      ("decode_gpu_s", "steps that decode"), ("decode_and_prefill_gpu_s", "steps that decode and prefill"),
      ("prefill_gpu_s", "steps that prefill"), ("idle_gpu_s", "no step"),
    ]
    let values = parts.map { column, _ in
      shown.map { run in
        max(0, (rows.first { $0["run_id"] == run.id }?[column] as Double?) ?? 0)
      }
    }
    let bars = StackedBars(
      xLabel: "GPU-seconds per million output tokens", bars: shown.map(\.label), parts: parts.map(\.1),
      values: values)
    return Drawing(
      title: "What a million output tokens cost in GPU time",
      caption: "GPUs of all instances from the first arrival to the last completion, by what they did.",
      script: bars.script, size: (860, 190 + 34 * shown.count), rows: Table(query: rows), sql: sql)
  }
}

/// 12345 as "12.3k".
private func compact(_ value: Double) -> String {
  switch abs(value) {
  case 1e6...: "\(trimmed((value / 1e5).rounded() / 10))M"
  case 1e4...: "\(trimmed((value / 1e3).rounded()))k"
  case 1e3...: "\(trimmed((value / 1e2).rounded() / 10))k"
  default: trimmed(value)
  }
}
