import Foundation
import Results
import Runs

/// A format of whole runs, told by its columns.
struct RunFormat {
  var name: String
  /// What its rows are, in a sentence.
  var summary: String
  /// Columns, or keys of a JSON object, that tell it.
  var columns: [String]
  /// Those that are used where they are there.
  var optional: [String]

  static let all = [
    StaticBatchRows.format, ConstantRateRows.format, ClosedLoopRows.format, BenchResult.format,
  ]

  /// For `--help`.
  static var help: String {
    all.map { format in
      "  \(format.name): \(format.summary) Columns: \(format.columns.joined(separator: ", ")). Where there: "
        + "\(format.optional.joined(separator: ", "))."
    }.joined(separator: "\n")
  }
}

/// The runs of some files and the rows of them that are none to replay.
struct RunFiles {
  private(set) var runs: [MeasuredRun] = []
  private(set) var leftOut: [LeftOutRow] = []

  init(paths: [String]) throws {
    var tables: [RunTable] = []
    var workloads: [RunTable] = []
    for path in paths {
      let text = try Self.text(path)
      if text.first(where: { !$0.isWhitespace }) == "{" {
        let json: JSON
        do { json = try JSON(parsing: text) } catch {
          throw CommandFailure(
            .badData, "\(path):\(error.line): found \(error.found), expected \(error.expected)")
        }
        take(try BenchResult.read(BenchmarkFields(json: json, place: path)), set: "vllm-bench")
        continue
      }
      let table = try RunTable(path: path, text: text)
      if table.has(ConstantRateRows.workloadColumns) { workloads.append(table) } else { tables.append(table) }
    }
    let stems = Dictionary(grouping: tables.map(\.path), by: Self.stem)
    for table in tables {
      let stem = Self.stem(table.path)
      // Files of one name in two folders are two sets.
      let folder = ((table.path as NSString).deletingLastPathComponent as NSString).lastPathComponent
      let isAlone = Set(stems[stem] ?? []).count == 1
      let set = isAlone ? stem : "\(folder.isEmpty ? "." : folder)/\(stem)"
      guard !table.rows.isEmpty else {
        throw CommandFailure(.badData, "\(table.path):1: a header and no rows, expected a measurement a row")
      }
      if table.has(StaticBatchRows.format.columns) {
        for row in table.rows { take(try StaticBatchRows.read(row, set: set), set: set) }
      } else if table.has(ClosedLoopRows.format.columns) {
        for row in table.rows { take(try ClosedLoopRows.read(row, set: set), set: set) }
      } else if table.has(ConstantRateRows.format.columns) {
        let beside = (table.path as NSString).deletingPathExtension + "_workloads.csv"
        if workloads.isEmpty, FileManager.default.fileExists(atPath: beside) {
          workloads.append(try RunTable(path: beside, text: try Self.text(beside)))
        }
        let known = try ConstantRateRows.workloads(workloads)
        for row in table.rows { take(try ConstantRateRows.read(row, set: set, workloads: known), set: set) }
      } else {
        let tabular = RunFormat.all.filter { $0.name != BenchResult.format.name }
        let closest = tabular.min { table.missing($0.columns).count < table.missing($1.columns).count }
        if let closest, table.missing(closest.columns).count * 3 <= closest.columns.count {
          throw CommandFailure(
            .badData,
            "\(table.path):1: without \(table.missing(closest.columns).joined(separator: ", ")), which the format "
              + "\(closest.name) needs")
        }
        throw CommandFailure(
          .badData,
          "\(table.path):1: columns are \(table.header.prefix(6).joined(separator: ", "))…, expected those of one of the "
            + "formats \(RunFormat.all.map(\.name).joined(separator: ", ")); see --help")
      }
    }
  }

  private mutating func take(_ read: ReadRun, set: String) {
    switch read {
    case .run(let run): runs.append(run)
    case .leftOut(let reason): leftOut.append(LeftOutRow(set: set, reason: reason))
    }
  }

  static func stem(_ path: String) -> String {
    ((path as NSString).lastPathComponent as NSString).deletingPathExtension
  }

  /// The text of a file.
  static func text(_ path: String) throws -> String {
    guard let data = FileManager.default.contents(atPath: path) else {
      throw CommandFailure(.missingInput, "\(path): cannot be read")
    }
    guard !data.starts(with: [0x1F, 0x8B]) else {
      throw CommandFailure(.badData, "\(path): is compressed (gzip), expected plain text: gunzip it first")
    }
    guard let text = String(data: data, encoding: .utf8) else {
      throw CommandFailure(.badData, "\(path): is not UTF-8 text")
    }
    return text
  }
}

/// What a row is.
enum ReadRun {
  case run(MeasuredRun)
  /// Not to be replayed, for this reason.
  case leftOut(String)
}
