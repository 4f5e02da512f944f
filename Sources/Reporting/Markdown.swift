import Output
import Foundation

/// Markdown as we write it and as cmark-gfm reads it.
package enum Markdown {
  /// Text of the database such that it reads as itself: no markup, no HTML, no further line.
  package static func escaped(_ text: String) -> String {
    var out = ""
    for character in text {
      if character.isNewline || BlockMark.isMark(character) {
        out += " "
      } else {
        if #"\`*_[]<>#|~&!{}"#.contains(character) { out += "\\" }
        out.append(character)
      }
    }
    return out
  }

  /// A span of code whatever is in it.
  static func code(_ text: String) -> String {
    let longest = text.split(whereSeparator: { $0 != "`" }).map(\.count).max() ?? 0
    let fence = String(repeating: "`", count: longest + 1)
    let space = text.hasPrefix("`") || text.hasSuffix("`") ? " " : ""
    return fence + space + String(text.map { $0.isNewline ? " " : $0 }) + space + fence
  }

  /// A block of code whatever is in it.
  static func codeBlock(_ text: String, language: String) -> String {
    let longest = text.split(whereSeparator: { $0 != "`" }).map(\.count).max() ?? 0
    let fence = String(repeating: "`", count: max(3, longest + 1))
    return "\(fence)\(language)\n\(text)\n\(fence)\n"
  }

  /// HTML; raw HTML in the text is left out.
  static func html(_ text: String) throws -> String {
    guard let path = findProgram("cmark-gfm") else { throw ReportError.noCommonMark }
    let result = try runProgram(path, ["--extension", "table"], input: text)
    guard result.status == 0 else { throw ReportError.commonMark(reason: result.errors) }
    return result.output
  }
}

/// Marks the place of a table or a figure in the text while Markdown becomes HTML: characters for private use, which are
/// taken out of what the database says.
enum BlockMark {
  private static let open: Character = "\u{E000}"
  private static let close: Character = "\u{E001}"

  static func isMark(_ character: Character) -> Bool { character == open || character == close }
  static func text(_ index: Int) -> String { "\(open)\(index)\(close)" }

  /// `text` with each mark replaced; in HTML a mark is a paragraph of its own.
  static func replaced(in text: String, isHTML: Bool, by block: (Int) -> String) -> String {
    let pattern = isHTML ? /<p>\u{E000}(\d+)\u{E001}<\/p>/ : /(?:)\u{E000}(\d+)\u{E001}(?:)/
    return text.replacing(pattern) { match in Int(match.1).map(block) ?? "" }
  }
}
