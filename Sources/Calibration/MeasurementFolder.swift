import Foundation
import Sim

/// A folder of measurement files, each read by the format that its columns match.
public struct MeasurementFolder: Sendable {
  /// Its files in the order of their names.
  public var files: [MeasurementFile] = []

  /// All measurements.
  public var measurements: [Measurement] { files.flatMap(\.measurements) }

  /// Reads every file of the folder at `path`; links whose class a file does not name are told by `hardware`.
  /// Throws `MeasurementError` for a folder that is not there and for a malformed row of a file in a known format.
  public init(path: String, hardware: HardwareSpec) throws {
    guard let names = try? FileManager.default.contentsOfDirectory(atPath: path) else {
      throw MeasurementError(
        file: path,
        "there is no such folder of measurements (`validate costs --help` lists the formats of files)",
        isMissing: true)
    }
    for name in names.sorted() where !name.hasPrefix(".") {
      let file = (path as NSString).appendingPathComponent(name)
      var isDirectory: ObjCBool = false
      guard FileManager.default.fileExists(atPath: file, isDirectory: &isDirectory), !isDirectory.boolValue
      else { continue }
      var read = try Self.read(file, hardware: hardware)
      if read.format != nil { read.checksum = Self.checksum(file) }
      files.append(read)
    }
  }

  private static func checksum(_ path: String) -> UInt64 {
    (FileManager.default.contents(atPath: path) ?? Data()).reduce(0xCBF2_9CE4_8422_2325) {
      ($0 ^ UInt64($1)) &* 0x100_0000_01B3
    }
  }

  private static func read(_ path: String, hardware: HardwareSpec) throws -> MeasurementFile {
    var file = MeasurementFile(path: path)
    // The two formats without a header are told by their first line.
    let first = try MeasurementText.firstLine(path)
    if let first, isCublas(first) {
      try readCublas(&file)
      return file
    }
    guard MeasurementText.plainName(path).lowercased().hasSuffix(".csv") else {
      file.note = "not a table"
      return file
    }
    let header = Set((first ?? "").split(separator: ",").map(String.init))
    guard let format = MeasurementFormat.all.first(where: { header.isSuperset(of: $0.columns) }) else {
      file.note = unknown(header)
      return file
    }
    file.format = format.name
    let table = try MeasurementTable(path: path)
    try format.read(table, &file)
    if format.name == MeasurementFormat.pointToPoint.name { tellLink(of: &file, hardware: hardware) }
    return file
  }

  /// What is said of a table with these columns: which format it nearly has.
  private static func unknown(_ header: Set<String>) -> String {
    for format in MeasurementFormat.all {
      let missing = format.columns.filter { !header.contains($0) }
      if missing.count * 2 < format.columns.count {
        return "no known format; \(format.name) also has \(missing.joined(separator: ", "))"
      }
    }
    return "no known format"
  }

  /// Messages in a node and between nodes have the same columns: the bandwidth of the largest one tells.
  private static func tellLink(of file: inout MeasurementFile, hardware: HardwareSpec) {
    guard let largest = file.measurements.max(by: { $0.folds.length < $1.folds.length }) else { return }
    let rate = Double(largest.folds.length) / largest.microseconds * 1e6
    func distance(_ link: LinkClass) -> Double { abs(log(rate / link.costs.bytesPerSecond)) }
    let inNode = distance(hardware.inNodeLink) <= distance(hardware.interNodeLink)
    let link = inNode ? hardware.inNodeLink : hardware.interNodeLink
    file.note = "\(Int((rate / 1e8).rounded()) / 10) GB/s at most: taken for \(link.name)"
    for index in file.measurements.indices {
      file.measurements[index].operation = .pointToPoint(
        bytes: file.measurements[index].folds.length, inNode: inNode)
      file.measurements[index].group = inNode ? "in node" : "between nodes"
    }
  }

  // MARK: - LLMCompass

  private static func isCublas(_ line: String) -> Bool {
    let cells = line.split(separator: ",")
    return cells.count == 5 && cells[3].hasSuffix("ms") && cells[4].hasSuffix("Tflops")
  }

  /// PrincetonUniversity/LLMCompass: M, N, K, time, rate; no header.
  private static func readCublas(_ file: inout MeasurementFile) throws {
    file.format = "matrix products"
    let text = try MeasurementText.read(file.path)
    for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated()
    where !line.allSatisfy(\.isWhitespace) {
      let cells = line.split(separator: ",").map { $0.trimmingCharacters(in: .whitespacesAndNewlines) }
      let shape = cells.prefix(3).compactMap { Int($0) }.filter { $0 > 0 }
      guard cells.count == 5, shape.count == 3, cells[3].hasSuffix("ms"),
        let time = Double(cells[3].dropLast(2)), time > 0, time.isFinite
      else {
        throw MeasurementError(
          file: file.path, line: index + 1, "“\(line)”, expected M, N, K, TIMEms, RATETflops")
      }
      file.measurements.append(
        Measurement(
          operation: .gemm(rows: shape[0], inner: shape[2], columns: shape[1]), group: "cuBLAS alone",
          microseconds: time * 1e3, folds: .init(model: "cuBLAS", length: shape[0])))
    }
  }
}
