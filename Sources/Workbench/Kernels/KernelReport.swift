import Formatting
import Reference
import Results

/// The result of `validate kernel`, as text and JSON.
package struct KernelReport {
  var model: String
  var validation: KernelValidation
  /// The backends that ran: on what, and its read bandwidth in bytes/s.
  var devices: [(name: String, device: String, bandwidth: Double)] = []
  /// The backends that could not, and why.
  package var missing: [(name: String, reason: String)] = []
  package var rows: [KernelValidation.Row] = []

  package init(model: String, validation: KernelValidation) {
    self.model = model
    self.validation = validation
  }

  package var json: JSON {
    [
      "rows": .array(rows.map(Self.json)),
      "unavailable": .array(
        missing.map { ["backend": .string($0.name), "reason": .string($0.reason)] }),
    ]
  }

  private static func json(_ row: KernelValidation.Row) -> JSON {
    [
      "backend": .string(row.backend),
      "dtype": .string(row.element.rawValue),
      "shape": [
        "call": .string(row.call.rawValue), "queries": .int(row.shape.queries),
        "query_heads": .int(row.shape.queryHeads), "kv_heads": .int(row.shape.kvHeads),
        "head_dim": .int(row.shape.headDim), "tokens": .int(row.tokens),
      ],
      "partitions": ["kind": .string(row.partition.rawValue), "hosts": .int(row.hosts)],
      "max_error": .double(row.verdict.maxError),
      "bound": .double(row.verdict.bound),
      "ok": .bool(row.verdict.isGood),
      "gb_per_s": .double(row.bytesPerSecond / 1e9),
    ]
  }

  /// The row nearest to its bound, or farthest above it, of each backend, format and call.
  private var worst: [KernelValidation.Row] {
    var worst: [KernelValidation.Row] = []
    for row in rows {
      if let last = worst.last, last.backend == row.backend, last.element == row.element,
        last.call == row.call
      {
        if row.verdict.maxError > last.verdict.maxError { worst[worst.count - 1] = row }
      } else {
        worst.append(row)
      }
    }
    return worst
  }

  package var text: String {
    let heads = validation.heads
    var text = """
      One layer of \(model): \(heads.queryHeads) query heads, \(heads.kvHeads) KV heads of \(heads.headDim) elements; \
      \(grouped(validation.context)) cached tokens, paged and shuffled, over \(validation.hosts) hosts.


      """
    for (name, device, bandwidth) in devices {
      text += "\(name): \(device); reads memory at \(figure(bandwidth / 1e9)) GB/s\n"
    }
    for (name, reason) in missing { text += "\(name) could not run: \(reason)\n" }
    var table = [
      [
        "backend", "dtype", "call", "max error", "mean error", "bound", "ok", "worst partition", "GB/s",
        "of read",
      ]
    ]
    for row in worst {
      let share = devices.first { $0.name == row.backend }.map { row.bytesPerSecond / $0.bandwidth }
      table.append([
        row.backend, row.element.rawValue, row.call.rawValue, scientific(row.verdict.maxError),
        scientific(row.verdict.meanError), scientific(row.verdict.bound), row.verdict.isGood ? "yes" : "NO",
        row.partition.rawValue, figure(row.bytesPerSecond / 1e9),
        share.map { "\(Int(($0 * 100).rounded())) %" } ?? "–",
      ])
    }
    if !rows.isEmpty { text += "\n" + markdownTable(table, leftColumns: [0, 1, 2, 7]) }
    return text + """

      Each call is dealt in these ways: \(KVPartition.allCases.map(\.rawValue).joined(separator: ", ")); and merged
      in three orders; shown is the worst, and --json has all. Errors are against attention in Double on the same
      rounded inputs. The bound is the smaller of twice the error of naive attention in the same format and
      1e-5 · max|v| (plus 4 · |logit| · 2^-23 · max|v| where logits exceed 32). GB/s: keys and values that the
      undivided call sees, median of 5.

      """
  }
}
