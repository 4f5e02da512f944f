import Foundation

/// What stands after `figure` in a template: a kind, settings, a condition.
struct FigureDirective {
  var kind: String
  var settings: [String: String] = [:]
  var condition: String?
  /// As it was written.
  var text: String

  /// - Throws: `FigureProblem` if it cannot be read.
  init(_ text: String) throws {
    self.text = text
    var rest = Substring(text)
    func word() -> Substring? {
      rest = rest.drop(while: \.isWhitespace)
      guard !rest.isEmpty else { return nil }
      var isQuoted = false
      let end = rest.firstIndex { character in
        if character == "\"" { isQuoted.toggle() }
        return character.isWhitespace && !isQuoted
      }
      defer { rest = rest[(end ?? rest.endIndex)...] }
      return rest[..<(end ?? rest.endIndex)]
    }
    guard let kind = word() else { throw FigureProblem("expected: figure KIND key=value … where CONDITION") }
    self.kind = String(kind)
    while let setting = word() {
      if setting == "where" {
        condition = rest.trimmingCharacters(in: .whitespaces)
        return
      }
      guard let equals = setting.firstIndex(of: "="), equals > setting.startIndex else {
        throw FigureProblem("found \(setting), expected key=value or where")
      }
      let value = setting[setting.index(after: equals)...]
      settings[String(setting[..<equals])] =
        value.count >= 2 && value.first == "\"" && value.last == "\""
        ? String(value.dropFirst().dropLast()) : String(value)
    }
  }

  /// The value of a key that must be there.
  func require(_ key: String) throws -> String {
    guard let value = settings[key] else { throw FigureProblem("figure \(kind) needs \(key)=…") }
    return value
  }

  /// - Throws: `FigureProblem` if there is a key that the kind does not take.
  func requireKnown(_ keys: [String]) throws {
    for key in settings.keys.sorted() where key != "title" && !keys.contains(key) {
      let known = (keys + ["title"]).joined(separator: ", ")
      throw FigureProblem("figure \(kind) has no key \(key), expected \(known)")
    }
  }
}
