/// Reads expressions by recursive descent; errors say line, column, found and expected.
public struct ExpressionParser {
  private var tokens: [Token]
  private var position = 0
  private var depth = 0

  /// Reads an expectation that stands at `place`.
  public static func check(_ text: String, at place: Place) throws(StudyError) -> Check {
    var parser = try ExpressionParser(text, at: place)
    let comparison = try parser.comparison()
    return Check(comparison: comparison, selection: try parser.optionalWhere())
  }

  /// Reads a quantity that stands at `place`.
  public static func quantity(_ text: String, at place: Place) throws(StudyError) -> Quantity {
    var parser = try ExpressionParser(text, at: place)
    let sum = try parser.sum()
    return Quantity(expression: sum, selection: try parser.optionalWhere())
  }

  /// Reads what stands after `where`.
  public static func selection(_ text: String, at place: Place) throws(StudyError) -> Selection {
    var parser = try ExpressionParser(text, at: place)
    let conditions = try parser.conditions()
    try parser.end()
    return Selection(conditions: conditions)
  }

  private init(_ text: String, at place: Place) throws(StudyError) {
    tokens = try Token.split(text, at: place)
  }

  // MARK: - Grammar

  private mutating func comparison() throws(StudyError) -> Comparison {
    let left = try sum()
    guard case .symbol(let text) = next.kind, let relation = Comparison.Relation(rawValue: text) else {
      throw fault("a comparison: <, <=, >, >=, == or !=")
    }
    position += 1
    return Comparison(left: left, relation: relation, right: try sum())
  }

  private mutating func sum() throws(StudyError) -> StudyExpression {
    var left = try product()
    while let operation = operation([.plus, .minus]) { left = .binary(left, operation, try product()) }
    return left
  }

  private mutating func product() throws(StudyError) -> StudyExpression {
    var left = try factor()
    while let operation = operation([.times, .over]) { left = .binary(left, operation, try factor()) }
    return left
  }

  private mutating func factor() throws(StudyError) -> StudyExpression {
    depth += 1
    defer { depth -= 1 }
    guard depth <= 64 else { throw fault("at most 64 levels of nesting") }
    if take("-") { return .negated(try factor()) }
    if take("(") {
      let inner = try sum()
      try require(")")
      return inner
    }
    guard case .word(let word) = next.kind else { throw fault("a number, a function or (") }
    if let number = Double(word), number.isFinite {
      position += 1
      return .number(number)
    }
    return try call(word)
  }

  private mutating func call(_ name: String) throws(StudyError) -> StudyExpression {
    let seeds = StudyExpression.SeedFunction(rawValue: name)
    let cells = StudyExpression.CellFunction(rawValue: name)
    guard seeds != nil || cells != nil || ["value", "common", "ratio", "share"].contains(name) else {
      throw fault(
        "a number or a function: value, common, ratio, share, "
          + (StudyExpression.SeedFunction.allCases.map(\.rawValue)
          + StudyExpression.CellFunction.allCases.map(\.rawValue)).joined(separator: ", "))
    }
    position += 1
    try require("(")
    let result: StudyExpression
    if let seeds {
      result = .overSeeds(seeds, try sum())
    } else if let cells {
      result = .overCells(cells, try sum())
    } else if name == "share" {
      result = .share(try comparison())
    } else {
      let first = try word("a label")
      try require(",")
      if name == "ratio" {
        let second = try word("a label")
        try require(",")
        result = .ratio(first, second, metric: try metric())
      } else {
        result = .metric(name == "value" ? .whole : .common, label: first, metric: try metric())
      }
    }
    try require(")")
    return result
  }

  /// A metric that runs have: one that none has would be found only when all had run.
  private mutating func metric() throws(StudyError) -> String {
    let place = next.place
    let name = try word("a metric")
    try Metric.require(name, at: place)
    return name
  }

  private mutating func optionalWhere() throws(StudyError) -> Selection {
    var selection = Selection()
    if takeWord("where") { selection.conditions = try conditions() }
    try end()
    return selection
  }

  private mutating func conditions() throws(StudyError) -> [Selection.Condition] {
    var conditions: [Selection.Condition] = []
    repeat {
      let place = next.place
      let name = try word("an axis, grid or seed")
      if takeWord("in") {
        try require("(")
        var words = [try word("a value")]
        while take(",") { words.append(try word("a value")) }
        try require(")")
        conditions.append(.init(name: name, test: .isOne(of: words), place: place))
      } else {
        guard case .symbol(let text) = next.kind, let relation = Comparison.Relation(rawValue: text) else {
          throw fault("==, !=, <, <=, >, >= or in")
        }
        position += 1
        conditions.append(.init(name: name, test: .compare(relation, try word("a value")), place: place))
      }
    } while takeWord("and")
    return conditions
  }

  // MARK: - Tokens

  private var next: Token { tokens[position] }

  private mutating func operation(_ wanted: [StudyExpression.Operation]) -> StudyExpression.Operation? {
    guard case .symbol(let text) = next.kind, let found = wanted.first(where: { $0.rawValue == text }) else {
      return nil
    }
    position += 1
    return found
  }

  private mutating func take(_ symbol: String) -> Bool {
    guard next.kind == .symbol(symbol) else { return false }
    position += 1
    return true
  }

  private mutating func takeWord(_ word: String) -> Bool {
    guard next.kind == .word(word) else { return false }
    position += 1
    return true
  }

  private mutating func require(_ symbol: String) throws(StudyError) {
    if !take(symbol) { throw fault(symbol) }
  }

  private mutating func word(_ what: String) throws(StudyError) -> String {
    switch next.kind {
    case .word(let word), .quoted(let word):
      position += 1
      return word
    default: throw fault(what)
    }
  }

  private func end() throws(StudyError) {
    if next.kind != .end { throw fault("an operator, where or the end") }
  }

  private func fault(_ expected: String) -> StudyError {
    StudyError(next.place, found: next.text, expected: expected)
  }
}

/// A word, a symbol or the end, and where it stands.
private struct Token {
  enum Kind: Hashable {
    case word(String), quoted(String), symbol(String), end
  }
  var kind: Kind
  var place: Place

  var text: String {
    switch kind {
    case .word(let text), .quoted(let text), .symbol(let text): quotedText(text)
    case .end: "the end"
    }
  }

  private func quotedText(_ text: String) -> String { Studies.quoted(text) }

  private static let symbols = ["<=", ">=", "==", "!=", "<", ">", "(", ")", ",", "+", "-", "*", "/"]

  static func split(_ text: String, at start: Place) throws(StudyError) -> [Token] {
    var tokens: [Token] = []
    let characters = Array(text)
    var index = 0
    while index < characters.count {
      let place = start.moved(by: index)
      let character = characters[index]
      if character.isWhitespace {
        index += 1
      } else if character == "\"" {
        guard let close = characters[(index + 1)...].firstIndex(of: "\"") else {
          throw StudyError(place, found: "an opening quote", expected: "a closing one")
        }
        tokens.append(Token(kind: .quoted(String(characters[(index + 1)..<close])), place: place))
        index = close + 1
      } else if begins(character) || (character == "." && index + 1 < characters.count) {
        let end = characters[index...].firstIndex { !continues($0) } ?? characters.count
        tokens.append(Token(kind: .word(String(characters[index..<end])), place: place))
        index = end
      } else if let symbol = symbols.first(where: { String(characters[index...].prefix($0.count)) == $0 }) {
        tokens.append(Token(kind: .symbol(symbol), place: place))
        index += symbol.count
      } else {
        throw StudyError(
          place, found: Studies.quoted(String(character)), expected: "a word, a number or an operator")
      }
    }
    return tokens + [Token(kind: .end, place: start.moved(by: characters.count))]
  }

  private static func begins(_ character: Character) -> Bool { character.isLetter || character.isNumber }
  private static func continues(_ character: Character) -> Bool {
    begins(character) || "-_./:+@".contains(character)
  }
}
