import Foundation
import Sim

/// One measured time of one operator.
public struct Measurement: Sendable {
  /// What was timed.
  public var operation: Operation
  /// Shapes that are reported together.
  public var group: String
  /// The measured time, µs.
  public var microseconds: Double
  /// What is left out together when constants are refitted.
  public var folds: FoldKeys
  /// The cells that add up to the time; none when other measurements have them.
  public var cells: [Cell] = []

  package init(operation: Operation, group: String, microseconds: Double, folds: FoldKeys, cells: [Cell] = [])
  {
    self.operation = operation
    self.group = group
    self.microseconds = microseconds
    self.folds = folds
    self.cells = cells
  }

  /// A cell of a table.
  public struct Cell: Hashable, Sendable {
    /// Line of the file, from 1.
    public var line: Int
    /// Column, from 0.
    public var column: Int
  }

  /// What a measurement belongs to, for leaving parts of the data out.
  public struct FoldKeys: Hashable, Sendable {
    /// Model or shape family.
    public var model: String
    /// TP degree, or what it divides: query heads of a rank.
    public var tp: Int
    /// Length: tokens, context or bytes.
    public var length: Int

    /// Takes the parts as they are.
    public init(model: String = "", tp: Int = 1, length: Int) {
      self.model = model
      self.tp = tp
      self.length = length
    }
  }
}

/// A file of measurements, read.
public struct MeasurementFile: Sendable {
  /// Its path.
  public var path: String
  /// Its name without folder and `.gz`.
  public var plainName: String { (MeasurementText.plainName(path) as NSString).lastPathComponent }
  /// The format, or `nil` when no known one matches.
  public var format: String?
  /// Its measurements.
  public var measurements: [Measurement] = []
  /// Rows that were left out, by the rule that does so.
  public var left: [String: Int] = [:]
  /// FNV-1a, 64 bits, of its bytes; 0 for a file in no known format.
  public var checksum: UInt64 = 0
  /// What is to be said about it.
  public var note: String?
}

/// Why measurements cannot be read.
public struct MeasurementError: Error, Hashable, CustomStringConvertible {
  /// The file or folder.
  public var file: String
  /// The line, from 1, if it is about one.
  public var line: Int?
  /// What was found and what was expected.
  public var message: String
  /// Whether the file or folder is not there, rather than wrong.
  public var isMissing: Bool

  init(file: String, line: Int? = nil, _ message: String, isMissing: Bool = false) {
    self.file = file
    self.line = line
    self.message = message
    self.isMissing = isMissing
  }

  /// One sentence: where, what was found and what was expected.
  public var description: String { (line.map { "\(file):\($0)" } ?? file) + ": " + message }
}
