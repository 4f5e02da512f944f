/// A word, number or sign of a PTX text.
struct Token {
  var text: Substring
  var line: Int
}

/// Cuts a PTX text into tokens: words (with their dots: `ld.global.u32`, `%tid.x`, `.reg`), numbers, strings and single
/// signs. Comments are dropped.
struct Lexer {
  static func tokens(_ text: String) throws(PTXError) -> [Token] {
    var text = text
    text.makeContiguousUTF8()
    let bytes = Array(text.utf8)
    let utf8 = text.utf8
    var tokens: [Token] = []
    var (at, line) = (0, 1)

    func slice(_ range: Range<Int>) -> Substring {
      text[
        utf8.index(
          utf8.startIndex, offsetBy: range.lowerBound)..<utf8.index(
            utf8.startIndex, offsetBy: range.upperBound)]
    }
    while at < bytes.count {
      let byte = bytes[at]
      let next = at + 1 < bytes.count ? bytes[at + 1] : 0
      switch byte {
      case UInt8(ascii: "\n"):
        line += 1
        at += 1
      case UInt8(ascii: " "), UInt8(ascii: "\t"), UInt8(ascii: "\r"), 0:
        at += 1
      case UInt8(ascii: "/") where next == UInt8(ascii: "/"):
        while at < bytes.count, bytes[at] != UInt8(ascii: "\n") { at += 1 }
      case UInt8(ascii: "/") where next == UInt8(ascii: "*"):
        at += 2
        while at + 1 < bytes.count, bytes[at] != UInt8(ascii: "*") || bytes[at + 1] != UInt8(ascii: "/") {
          if bytes[at] == UInt8(ascii: "\n") { line += 1 }
          at += 1
        }
        at += 2
      case UInt8(ascii: "\""):
        let start = at
        at += 1
        while at < bytes.count, bytes[at] != UInt8(ascii: "\"") { at += 1 }
        at += 1
        tokens.append(Token(text: slice(start..<min(at, bytes.count)), line: line))
      case _ where isWord(byte):
        let start = at
        while at < bytes.count, isWord(bytes[at]) { at += 1 }
        tokens.append(Token(text: slice(start..<at), line: line))
      case _ where byte > 32 && byte < 127:
        tokens.append(Token(text: slice(at..<at + 1), line: line))
        at += 1
      default:
        throw PTXError(.unknown, "a PTX text has no byte \(byte)", line: line)
      }
    }
    return tokens
  }

  private static func isWord(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "$"), UInt8(ascii: "%"),
      UInt8(ascii: "."):
      true
    default: false
    }
  }
}
