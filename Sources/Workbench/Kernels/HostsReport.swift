import Formatting
import Reference
import Results
import Sim

/// The result of `validate kernel --hosts`, as text and JSON.
struct HostsReport {
  /// What one host held and what went over its socket, bytes.
  struct Row {
    var name: String
    var process: Int32
    var tokens: Range<Int>
    var kvBytes: Int
    var sent: Int
    var received: Int
  }

  var model: ModelSpec
  var heads: AttentionShape
  var context: Int
  /// Bytes of the whole cache of the layer.
  var kvBytes: Int
  var verdict: Judge.Verdict
  /// The most memory that this process had resident; nil where the system does not say.
  var parentPeakBytes: Int?
  /// Process ids.
  var parent: Int32
  var judge: Int32
  var rows: [Row]

  private var moved: Int { rows.reduce(0) { $0 + $1.sent + $1.received } }

  var json: JSON {
    [
      "hosts": .array(
        rows.map {
          [
            "host": .string($0.name), "process": .int(Int($0.process)),
            "first_token": .int($0.tokens.lowerBound),
            "tokens": .int($0.tokens.count), "kv_bytes": .int($0.kvBytes), "bytes_sent": .int($0.sent),
            "bytes_received": .int($0.received),
          ]
        }),
      "parent_process": .int(Int(parent)),
      "judge_process": .int(Int(judge)),
      "bytes_moved": .int(moved),
      "kv_bytes": .int(kvBytes),
      "parent_peak_bytes": .optional(parentPeakBytes),
      "max_error": .double(verdict.maxError),
      "bound": .double(verdict.bound),
      "ok": .bool(verdict.isGood),
    ]
  }

  var text: String {
    var table = [["host", "process", "tokens", "KV held, bytes", "query out, bytes", "state back, bytes"]]
    for row in rows {
      table.append([
        row.name, "\(row.process)", "\(row.tokens.lowerBound) ..< \(row.tokens.upperBound)",
        grouped(row.kvBytes),
        grouped(row.sent), grouped(row.received),
      ])
    }
    let ratio = Double(kvBytes) / Double(max(moved, 1))
    var text = """
      One decode step in one layer of \(model.name) in bf16: \(grouped(context)) cached tokens in \
      \(rows.count) processes. This is process \(parent), the judge is process \(judge).

      \(markdownTable(table))
      Moved, summed from what was read and written: \(grouped(moved)) bytes. Shipping the layer's KV: \
      \(grouped(kvBytes)) bytes, \(figure(ratio)) times as much.
      All \(model.layers) layers: \(grouped(moved * model.layers)) bytes against \(grouped(kvBytes * model.layers)).
      Largest error of the merged output: \(scientific(verdict.maxError)), bound \(scientific(verdict.bound)): \
      \(verdict.isGood ? "ok" : "TOO LARGE").

      """
    if let parentPeakBytes {
      text += """
        Peak memory of this process: \(grouped(parentPeakBytes)) bytes, \
        \(figure(Double(parentPeakBytes) / Double(kvBytes) * 100)) % of the KV.

        """
    }
    return text
  }
}
