import GRDB
import Results

/// A completed run of a database, as far as explanations need it.
struct RunChoice {
  var id: Int64
  var policy: String
  var trace: String
  var seed: Int
  var manifest: JSON

  /// The run with this id; without one, the only completed run.
  static func find(_ id: Int64?, in db: Database, path: String) throws -> RunChoice {
    let known = try Row.fetchAll(
      db, sql: "SELECT id, policy, trace, seed FROM run WHERE status = 'completed' ORDER BY id LIMIT 13")
    guard let only = known.first else { throw ReportError.empty(path: path) }
    let names = known.prefix(12).map { row in
      "\(row["id"] as Int64) (\(row["policy"] as String) on \(row["trace"] as String), seed \(row["seed"] as Int))"
    }
    let list = names.joined(separator: ", ") + (known.count > 12 ? ", …" : "")
    if id == nil, known.count > 1 { throw ReportError.ambiguousRun(path: path, known: list) }
    let wanted = id ?? only["id"]
    guard
      let row = try Row.fetchOne(
        db, sql: "SELECT * FROM run WHERE id = ? AND status = 'completed'", arguments: [wanted])
    else { throw ReportError.noSuchRun(path: path, run: wanted, known: list) }
    return RunChoice(
      id: wanted, policy: row["policy"], trace: row["trace"], seed: row["seed"],
      manifest: try JSON(parsing: row["manifest"]))
  }

  var router: String { manifest["policy_options"]?["router"]?.string ?? "its router" }
  var blocksPerInstance: Int? { manifest["cluster"]?["kv_blocks"]?.integer }
  var title: String {
    "run \(id): \(policy) on \(trace), seed \(seed), \(heat.words)"
  }

  private var heat: HeatKind { manifest["workload"]?["dropped"] == nil ? .whole : .common }
}
