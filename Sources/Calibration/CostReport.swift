import Foundation

/// Reports of a validation: text for the terminal, Markdown for a folder, JSON for programs.
extension CostValidation {
  /// The report for the terminal.
  public var text: String { fileList + "\n" + targetTable + "\n" + remarks + "\n" + rowTable }

  /// The report for `Reports/cost-accuracy/README.md`.
  public var markdown: String {
    """
    # Accuracy of the cost forms

    Hardware `\(hardware.name)`. Made by `infinite-sim validate costs --data DIR --report Reports/cost-accuracy`.
    Errors are predicted / measured − 1: MAPE is the mean of their sizes, p90 what nine in ten do not exceed, bias
    their mean. `engine` is the form that runs use (integers, chords between powers of two, curves), `explain` the
    form behind it, shown where it differs. Every target counts on the engine form.

    ## Targets

    A p90 and a worst group are judged as the mean is. Held out, means may be 1.5 points worse than over all rows and p90s 3
    points; `from shorter` is fitted to the lower half of the lengths and scored on the upper. The largest single error and
    the bias, which is never larger than MAPE, have no targets.

    \(targetTable)
    \(remarks)
    ## Files

    \(fileList)
    ## Operators and shape groups

    Rows marked *held out* had no part in the fit of the profile's constants.

    \(rowTable)
    """
  }

  private var fileList: String {
    files.map { file in
      let name = (file.path as NSString).lastPathComponent
      let left = file.left.sorted { $0.key < $1.key }.map { "\($0.value) rows left out: \($0.key)" }
      let what = file.format.map { ["\($0): \(file.measurements.count) measurements"] } ?? []
      return "- \(name): " + (what + (file.note.map { [$0] } ?? []) + left).joined(separator: "; ") + "\n"
    }.joined()
  }

  private var targetTable: String {
    var rows = [
      [
        "target", "points", "MAPE", "p90", "max (no target)", "bias (no target)", "at most", "worst group",
        "held out", "constants", "",
      ]
    ]
    for result in targets {
      let (target, all) = (result.target, result.all)
      let heldOut = result.heldOut.map { fold, parts, errors in
        let text = "\(Self.percent(errors.mape)), p90 \(Self.percent(errors.p90))"
        return fold == .longer ? "from shorter \(text)" : "\(fold.rawValue) \(text) (\(parts) parts)"
      }
      let missed = result.judgements.filter { !$0.isMet }
      rows.append([
        target.name, "\(all.engine.points)", Self.percent(all.engine.mape), Self.percent(all.engine.p90),
        Self.percent(all.engine.max), Self.percent(all.engine.bias),
        "\(Self.percent(target.mape)), p90 \(Self.percent(target.p90)), group \(Self.percent(target.groupMAPE))",
        "\(result.worst.group): \(Self.percent(result.worst.engine.mape))",
        heldOut.isEmpty ? "not refitted" : heldOut.joined(separator: "; "), "\(result.parameters)",
        missed.isEmpty
          ? "met"
          : "MISSED: " + missed.map { "\($0.figure.name) by \(Self.points($0))" }.joined(separator: "; "),
      ])
      if let explain = all.explain {
        rows.append([
          "— its explain form", "\(explain.points)", Self.percent(explain.mape), Self.percent(explain.p90),
          Self.percent(explain.max), Self.percent(explain.bias), "", "", "", "",
          "not judged: runs use the other",
        ])
      }
    }
    return Self.table(rows)
  }

  private var remarks: String {
    let judged = targets.flatMap { result in
      result.judgements.compactMap { judgement in
        Self.remark(judgement).map { "- \(result.target.name): \($0)\n" }
      }
    }
    let above = targets.flatMap { result in
      result.above.map {
        "- \(result.target.name), \($0.group): MAPE \(Self.percent($0.engine.mape)), more than twice the target\n"
      }
    }
    let verdict = targets.isEmpty ? "No target has data.\n" : "Every target is met.\n"
    return (judged.isEmpty ? verdict : judged.joined()) + "\n"
      + (above.isEmpty ? "No group is above twice its target.\n" : above.joined())
  }

  /// What is to be said of a figure: that it is missed, by how much, and whether that is known.
  package static func remark(_ judgement: Judgement) -> String? {
    let name = judgement.figure.name
    guard !judgement.isMet else {
      return judgement.knownMost == nil
        ? nil : "\(name) is met, and known to be missed: it must go from the list of known misses"
    }
    let missed =
      "\(name) is missed: \(percent(judgement.found)), \(points(judgement)) above \(percent(judgement.most))"
    guard let most = judgement.knownMost else { return missed }
    return judgement.isAsKnown
      ? missed + "; a known miss, which `--check` lets pass up to \(percent(most))"
      : missed + "; worse than the known miss, which may be \(percent(most))"
  }

  /// By how much a figure misses its limit.
  private static func points(_ judgement: Judgement) -> String {
    String(format: "%.1f points", (judgement.found - judgement.most) * 100)
  }

  private var rowTable: String {
    var table = [["operator", "group", "form", "points", "MAPE", "p90", "max", "bias", ""]]
    for row in rows {
      for (form, errors) in [("engine", row.engine)] + (row.explain.map { [("explain", $0)] } ?? []) {
        table.append([
          row.operation, row.group, row.explain == nil ? "" : form, "\(errors.points)",
          Self.percent(errors.mape),
          Self.percent(errors.p90), Self.percent(errors.max), Self.percent(errors.bias),
          row.heldOut ? "held out" : "",
        ])
      }
    }
    return Self.table(table)
  }

  /// An array of rows; those of a target carry its name, and whether it is met.
  public var json: String {
    var entries: [String] = []
    func add(
      _ operation: String, _ group: String, _ errors: ErrorSummary, heldOut: Bool, _ extra: [(String, String)]
    ) {
      let fields =
        [
          ("operator", Self.quoted(operation)), ("group", Self.quoted(group)), ("points", "\(errors.points)"),
          ("mape", Self.number(errors.mape)), ("p90", Self.number(errors.p90)),
          ("max", Self.number(errors.max)),
          ("bias", Self.number(errors.bias)), ("held_out", "\(heldOut)"),
        ] + extra
      entries.append("  {" + fields.map { "\"\($0.0)\": \($0.1)" }.joined(separator: ", ") + "}")
    }
    for row in rows {
      add(row.operation, row.group, row.engine, heldOut: row.heldOut, [("form", "\"engine\"")])
      if let explain = row.explain {
        add(row.operation, row.group, explain, heldOut: row.heldOut, [("form", "\"explain\"")])
      }
    }
    for result in targets {
      let target = result.target
      let limits = [
        ("form", "\"engine\""), ("target", Self.quoted(target.name)),
        ("target_mape", Self.number(target.mape)),
        ("target_p90", Self.number(target.p90)), ("target_group_mape", Self.number(target.groupMAPE)),
        ("constants", "\(result.parameters)"),
      ]
      add(
        target.name, "all", result.all.engine, heldOut: result.all.heldOut,
        limits + [
          ("ok", "\(result.isMet)"),
          ("missed", Self.quoted(result.judgements.compactMap(Self.remark).joined(separator: "; "))),
        ])
      if let explain = result.all.explain {
        add(
          target.name, "all", explain, heldOut: result.all.heldOut,
          [("form", "\"explain\""), ("target", Self.quoted(target.name))])
      }
      add(
        target.name, "worst: " + result.worst.group, result.worst.engine, heldOut: result.worst.heldOut,
        limits)
      for (fold, parts, errors) in result.heldOut {
        add(
          target.name, "all", errors, heldOut: true,
          limits + [
            ("fold", Self.quoted(fold.rawValue)), ("parts", "\(parts)"),
            ("most_mape", Self.number(result.mostHeldOut)), ("most_p90", Self.number(result.mostHeldOutP90)),
            ("ok", "\(errors.mape <= result.mostHeldOut && errors.p90 <= result.mostHeldOutP90)"),
          ])
      }
    }
    return "[\n" + entries.joined(separator: ",\n") + "\n]\n"
  }

  // MARK: - Text

  static func percent(_ share: Double) -> String {
    share < 10 ? String(format: "%.1f %%", share * 100) : String(format: "%.0f %%", share * 100)
  }

  /// Six decimals: the same on every machine.
  private static func number(_ value: Double) -> String { String(format: "%.6f", value) }

  private static func quoted(_ text: String) -> String {
    "\"" + text.replacingOccurrences(of: "\\", with: "\\\\").replacingOccurrences(of: "\"", with: "\\\"")
      + "\""
  }

  /// A Markdown table.
  static func table(_ rows: [[String]]) -> String {
    guard let heading = rows.first else { return "" }
    let widths = heading.indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
    func line(_ cells: [String]) -> String {
      "| "
        + cells.indices.map { cells[$0] + String(repeating: " ", count: widths[$0] - cells[$0].count) }
        .joined(separator: " | ") + " |\n"
    }
    return line(heading) + "|" + widths.map { String(repeating: "-", count: $0 + 2) + "|" }.joined() + "\n"
      + rows.dropFirst().map(line).joined()
  }
}
