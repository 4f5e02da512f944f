import Runs
import Foundation
import Sim

/// KV capacities that engines reported, against the account of `KVCapacity`.
package enum BlockCounts {
  /// Assumed of DistServe's runs: a utilisation of 0.95 and OPT's longest prompt as the token budget.
  static let distServe = KVMemorySettings(utilisation: 0.95, maxBatchedTokens: 2_048)

  static let header = "model,tp,pp,max_num_tokens"

  /// The rows of a file with the columns `model,tp,pp,max_num_tokens`, scored; shapes that cannot be cut and models
  /// that are no preset are named in `skipped`.
  static func score(file: String, text: String, hardware: HardwareSpec) throws -> (
    points: [ScoredPoint], skipped: [String]
  ) {
    var points: [ScoredPoint] = []
    var skipped: [String] = []
    for (line, fields) in try SimpleCSV(file: file, text: text, header: header).rows {
      let name = fields[0].split(separator: "/").last.map { $0.lowercased() } ?? fields[0]
      guard let tp = Int(fields[1]), let pp = Int(fields[2]), let tokens = Int(fields[3]), tokens > 0 else {
        throw CommandFailure(.badData, "\(file):\(line): expected a model and three whole numbers")
      }
      let label = "\(name) TP\(tp) PP\(pp)"
      guard var model = ModelCatalog.named(name) else {
        skipped.append("\(label): the model is no preset")
        continue
      }
      // DistServe's figures over TP × PP show weights with a separate head.
      model.tiedEmbeddings = false
      do {
        let capacity = try KVCapacity(
          model: model, hardware: hardware, shape: InstanceShape(tp: tp, pp: pp), settings: distServe)
        points.append(
          ScoredPoint(
            operation: "KV tokens", group: name, label: label, measured: Double(tokens),
            predicted: Double(capacity.tokens), isHeldOut: true))
      } catch let error as ClusterError {
        skipped.append("\(label): \(error.description.split(separator: "\n")[0])")
      }
    }
    return (points, skipped)
  }
}

/// A CSV file without quotes whose header is known.
struct SimpleCSV {
  /// Line numbers from 2, and as many fields as the header has.
  var rows: [(line: Int, fields: [String])]

  /// Throws where a row has another number of fields.
  init(file: String, text: String, header: String) throws {
    let columns = header.split(separator: ",").count
    var lines = text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline)
    if lines.last == "" { lines.removeLast() }
    guard let first = lines.first, first == header else {
      throw CommandFailure(.badData, "\(file):1: found \"\(lines.first ?? "")\", expected \"\(header)\"")
    }
    rows = []
    for (index, line) in lines.enumerated().dropFirst() {
      let fields = line.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
      guard fields.count == columns else {
        throw CommandFailure(.badData, "\(file):\(index + 1): \(fields.count) fields, expected \(columns)")
      }
      rows.append((index + 1, fields))
    }
  }

  /// The first line of a text.
  static func header(of text: String) -> String {
    text.split(maxSplits: 1, whereSeparator: \.isNewline).first.map(String.init) ?? ""
  }
}
