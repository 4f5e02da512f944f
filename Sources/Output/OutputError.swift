import Foundation

/// Why an output cannot be written. Nothing of it was, and what was at its place is as it was.
public struct OutputError: Error, Hashable, Sendable, CustomStringConvertible {
  public enum Kind: Hashable, Sendable {
    /// The path cannot be that of an output.
    case usage
    /// The system refuses.
    case refused
    /// Nobody reads stdout any more: nothing to complain about.
    case unread
  }

  public var kind: Kind
  public var description: String

  public init(_ kind: Kind, _ description: String) {
    self.kind = kind
    self.description = description
  }

  /// With the system's own word for `code`, by default for what went wrong just now.
  static func system(_ path: String, code: Int32 = errno) -> OutputError {
    OutputError(.refused, "\(path): cannot be written: \(String(cString: strerror(code)))")
  }

  static func noFolder(_ folder: String, _ label: String) -> OutputError {
    OutputError(.usage, "\(label): there is no folder \(folder)")
  }

  /// The folder of an output cannot be written.
  static func folder(_ folder: String, _ label: String, code: Int32) -> OutputError {
    system("\(label): the folder \(folder)", code: code)
  }
}
