import CZlib
import Foundation

/// The text of a file of measurements, gzipped or not.
enum MeasurementText {
  /// The longest text that is read: ten times the largest public table. Beyond it a gzipped file is a bomb.
  static let mostBytes = 256 << 20

  /// The whole text at `path`. Throws for what is no file, no gzip as its name says, too long, or no UTF-8.
  static func read(_ path: String) throws(MeasurementError) -> String {
    guard let text = String(bytes: try bytes(path, limit: mostBytes), encoding: .utf8) else {
      throw MeasurementError(file: path, "cannot be read as text")
    }
    return text
  }

  /// The first line; `nil` for what cannot be read. A gzipped file is read whole: damage must not pass for another format.
  static func firstLine(_ path: String) throws(MeasurementError) -> String? {
    let isZipped = path.lowercased().hasSuffix(".gz")
    guard let start = isZipped ? try bytes(path, limit: mostBytes) : try? bytes(path, limit: nil) else {
      return nil
    }
    return String(decoding: start.prefix { $0 != 10 && $0 != 13 }, as: UTF8.self)
  }

  /// The name without `.gz`.
  static func plainName(_ path: String) -> String {
    path.lowercased().hasSuffix(".gz") ? String(path.dropLast(3)) : path
  }

  /// All bytes, or the first 64 KB without a `limit`.
  private static func bytes(_ path: String, limit: Int?) throws(MeasurementError) -> [UInt8] {
    // zlib reads a file that is not compressed as it is: one way for both.
    guard let file = gzopen(path, "rb") else {
      throw MeasurementError(file: path, "cannot be read as text")
    }
    var isOpen = true
    defer { if isOpen { gzclose(file) } }
    if path.lowercased().hasSuffix(".gz"), gzdirect(file) == 1 {
      throw MeasurementError(file: path, "is not compressed by gzip, as .gz says")
    }
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 1 << 16)
    while true {
      let count = Int(gzread(file, &buffer, UInt32(buffer.count)))
      guard count >= 0 else { throw MeasurementError(file: path, "its gzip data are damaged") }
      bytes.append(contentsOf: buffer.prefix(count))
      guard let limit else { return bytes }
      guard bytes.count <= limit else {
        throw MeasurementError(file: path, "is longer than \(limit >> 20) MB, the longest text that is read")
      }
      if count == 0 { break }
    }
    isOpen = false
    guard gzclose(file) == Z_OK else { throw MeasurementError(file: path, "its gzip data end too early") }
    return bytes
  }
}
