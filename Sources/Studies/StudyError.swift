/// A place in a text: what errors point at.
public struct Place: Hashable, Sendable {
  public var path: String
  /// From 1.
  public var line: Int
  /// From 1, in characters.
  public var column: Int

  public init(path: String, line: Int = 1, column: Int = 1) {
    (self.path, self.line, self.column) = (path, line, column)
  }

  /// The place so many characters to the right.
  func moved(by characters: Int) -> Place { Place(path: path, line: line, column: column + characters) }
}

/// Something in a study or an expression that cannot be used: where, what was found, what was expected.
public struct StudyError: Error, Hashable, Sendable, CustomStringConvertible {
  public var place: Place
  public var found: String
  public var expected: String

  public init(_ place: Place, found: String, expected: String) {
    (self.place, self.found, self.expected) = (place, found, expected)
  }

  public var description: String {
    "\(place.path):\(place.line):\(place.column): found \(found), expected \(expected)"
  }
}

/// A study's or a fault plan's file that is not there or cannot be read.
public struct StudyMissing: Error, Hashable, Sendable, CustomStringConvertible {
  public var path: String
  public var description: String { "\(path): there is no such file, expected YAML" }
}
