import Foundation

/// Markdown with directives between `{{` and `}}`, as docs/reports.md describes it.
struct Template {
  indirect enum Node {
    case text(String)
    /// A number, a table, a figure.
    case directive(String, line: Int)
    /// The branches in order; one without condition is the `else`.
    case conditional([Branch])
  }

  struct Branch {
    var condition: String?
    var line: Int
    var body: [Node]
  }

  var file: String
  var nodes: [Node]

  /// - Throws: `ReportError.template` for an `if` without `end`, an `else` or `end` without `if`, `{{` without `}}`.
  init(_ text: String, file: String) throws {
    self.file = file
    var parts = try Self.split(text, file)[...]
    nodes = try Self.nodes(&parts, file, opened: nil)
  }

  private enum Part {
    case text(String)
    case directive(String, line: Int)
  }

  private static func split(_ text: String, _ file: String) throws -> [Part] {
    var parts: [Part] = []
    var rest = Substring(text)
    var line = 1
    var isAtLineStart = true
    while let open = rest.range(of: "{{") {
      let before = rest[..<open.lowerBound]
      line += before.count { $0.isNewline }
      guard let close = rest[open.upperBound...].range(of: "}}") else {
        throw ReportError.template(file: file, line: line, problem: "{{ without }}")
      }
      let inside = rest[open.upperBound..<close.lowerBound]
      let directive = String(inside.map { $0.isNewline ? " " : $0 }).trimmingCharacters(in: .whitespaces)
      let startsLine = before.last { $0 != " " }.map(\.isNewline) ?? isAtLineStart
      rest = rest[close.upperBound...]
      isAtLineStart = false
      parts.append(.text(String(before)))
      parts.append(.directive(directive, line: line))
      line += inside.count { $0.isNewline }
      // A line with nothing but an if, else or end leaves no line.
      let isControl = ["if ", "else", "end"].contains { directive.hasPrefix($0) }
      if isControl, startsLine, let end = rest.firstIndex(where: { $0 != " " }), rest[end].isNewline {
        rest = rest[rest.index(after: end)...]
        line += 1
        isAtLineStart = true
      }
    }
    parts.append(.text(String(rest)))
    return parts
  }

  private static func nodes(
    _ parts: inout ArraySlice<Part>, _ file: String, opened: Int?
  ) throws -> [Node] {
    var nodes: [Node] = []
    while let part = parts.first {
      guard case .directive(let text, let line) = part else {
        if case .text(let text) = part, !text.isEmpty { nodes.append(.text(text)) }
        parts.removeFirst()
        continue
      }
      if text == "end" || text == "else" || text.hasPrefix("else if ") {
        guard opened != nil else {
          throw ReportError.template(file: file, line: line, problem: "\(text) without if")
        }
        return nodes
      }
      parts.removeFirst()
      guard text.hasPrefix("if ") else {
        nodes.append(.directive(text, line: line))
        continue
      }
      nodes.append(try conditional(&parts, file, condition: String(text.dropFirst(3)), line: line))
    }
    if let opened {
      throw ReportError.template(file: file, line: opened, problem: "if without end")
    }
    return nodes
  }

  private static func conditional(
    _ parts: inout ArraySlice<Part>, _ file: String, condition: String, line: Int
  ) throws -> Node {
    var branches = [
      Branch(condition: condition, line: line, body: try nodes(&parts, file, opened: line))
    ]
    while case .directive(let text, let place)? = parts.popFirst(), text != "end" {
      guard branches[branches.count - 1].condition != nil else {
        throw ReportError.template(file: file, line: place, problem: "\(text) after else")
      }
      branches.append(
        Branch(
          condition: text == "else" ? nil : String(text.dropFirst(8)), line: place,
          body: try nodes(&parts, file, opened: line)))
    }
    return .conditional(branches)
  }
}
