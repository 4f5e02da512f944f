/// A variable of a module outside of its kernels.
struct ModuleVariable {
  var name: String
  var bytes: [UInt8]
  var isConstant: Bool
}

/// Reads a PTX module: its variables and kernels. What it does not know is an error, never skipped.
struct Parser {
  private var tokens: [Token]
  private var at = 0
  /// Where each module variable lies.
  private var addresses: [String: UInt64] = [:]
  private var moduleShared: [(name: String, bytes: Int, align: Int)] = []
  private let place: (ModuleVariable) throws(PTXError) -> UInt64

  /// `place` finds memory for a module's variable and returns its address.
  init(_ text: String, place: @escaping (ModuleVariable) throws(PTXError) -> UInt64) throws(PTXError) {
    tokens = try Lexer.tokens(text)
    self.place = place
  }

  mutating func kernels() throws(PTXError) -> [Kernel] {
    var kernels: [Kernel] = []
    var version = false
    while at < tokens.count {
      let word = try next()
      switch word.text {
      case ".version":
        version = true
        _ = try next()
      case ".address_size":
        guard try next().text == "64" else { throw error("addresses have 64 bits") }
      case ".target":
        _ = try next()
        while accept(",") { _ = try next() }
      case ".visible", ".weak", ".extern", ".common": continue
      case ".global", ".const": try moduleVariable(isConstant: word.text == ".const")
      case ".shared": moduleShared.append(try sharedVariable())
      case ".entry": kernels.append(try kernel())
      case ".file":
        _ = try next()
        _ = try next()
        while accept(",") { _ = try next() }
      case ".section":
        _ = try next()
        try skipBraces()
      case ";": continue
      default: throw error("'\(word.text)' is not known outside of a kernel", word)
      }
    }
    guard version else { throw PTXError(.unknown, "the text has no .version: not a PTX module") }
    return kernels
  }

  // MARK: - Variables

  /// `.align 16 .b8 name[256]`: name, bytes, alignment. An open array, `name[]`, has 0 bytes.
  private mutating func sharedVariable() throws(PTXError) -> (name: String, bytes: Int, align: Int) {
    var align = 0
    if accept(".align") { align = try integer() }
    let type = try self.type()
    let name = String(try next().text)
    var count = 1
    while accept("[") {
      if accept("]") {
        count = 0
      } else {
        count *= try integer()
        try expect("]")
      }
    }
    try expect(";")
    return (name, count * type.bytes, max(align, type.bytes))
  }

  private mutating func moduleVariable(isConstant: Bool) throws(PTXError) {
    if accept(".align") { _ = try integer() }
    let type = try self.type()
    let name = String(try next().text)
    var count: Int?
    if accept("[") {
      count = try integer()
      try expect("]")
    }
    var values: [UInt64] = []
    if accept("=") {
      if accept("{") {
        repeat { values.append(try Number.bits(signed(), type, line)) } while accept(",")
        try expect("}")
      } else {
        values = [try Number.bits(signed(), type, line)]
      }
    }
    try expect(";")
    var bytes: [UInt8] = []
    for value in values {
      withUnsafeBytes(of: value.littleEndian) { bytes += $0.prefix(type.bytes) }
    }
    bytes += Array(repeating: 0, count: max(0, (count ?? 1) * type.bytes - bytes.count))
    addresses[name] = try place(ModuleVariable(name: name, bytes: bytes, isConstant: isConstant))
  }

  // MARK: - Kernels

  private mutating func kernel() throws(PTXError) -> Kernel {
    var builder = KernelBuilder(
      name: String(try next().text), addresses: addresses, moduleShared: moduleShared)
    try expect("(")
    while !accept(")") {
      try expect(".param")
      var align = 0
      while true {
        if accept(".align") {
          align = try integer()
        } else if accept(".ptr") {
          if [".global", ".shared", ".const"].contains(peek) { _ = try next() }
        } else {
          break
        }
      }
      let type = try self.type()
      let name = String(try next().text)
      var count = 1
      if accept("[") {
        count = try integer()
        try expect("]")
      }
      builder.addParameter(name, bytes: type.bytes * count, align: max(align, type.bytes))
      _ = accept(",")
    }
    while peek != "{" {
      let directive = try next()
      switch directive.text {
      case ".maxntid", ".reqntid":
        var threads = try integer()
        while accept(",") { threads *= try integer() }
        builder.kernel.maxThreads = threads
      case ".minnctapersm", ".maxnreg", ".noreturn": if directive.text != ".noreturn" { _ = try integer() }
      default: throw error("'\(directive.text)' is not known before a kernel's body", directive)
      }
    }
    try body(&builder)
    return try builder.finished()
  }

  private mutating func body(_ builder: inout KernelBuilder) throws(PTXError) {
    try expect("{")
    builder.openScope()
    while !accept("}") {
      let word = try next()
      switch word.text {
      case ".reg":
        let type = try self.type()
        repeat {
          let name = try next()
          var count: Int?
          if accept("<") {
            count = try integer()
            try expect(">")
          }
          builder.addRegisters(String(name.text), type, count: count)
        } while accept(",")
        try expect(";")
      case ".shared": builder.addShared(try sharedVariable())
      case ".local": builder.addLocal(try sharedVariable())
      case ".pragma", ".loc", ".file":
        while !accept(";"), tokens[at].line == word.line { at += 1 }
      case "{":
        at -= 1
        try body(&builder)
      case ";": continue
      default:
        if accept(":") {
          try builder.addLabel(String(word.text), word.line)
        } else {
          try statement(word, &builder)
        }
      }
    }
    builder.closeScope()
  }

  private mutating func statement(_ first: Token, _ builder: inout KernelBuilder) throws(PTXError) {
    var guardName: (name: String, isNegated: Bool)?
    var opcode = first
    if first.text == "@" {
      let isNegated = accept("!")
      guardName = (String(try next().text), isNegated)
      opcode = try next()
    }
    var operands: [Operand] = []
    while !accept(";") {
      operands.append(try operand())
      if peek != ";" { try expect(",") }
    }
    try builder.addInstruction(String(opcode.text), operands, guardName, opcode.line)
  }

  private mutating func operand() throws(PTXError) -> Operand {
    if accept("{") {
      var names: [Operand] = []
      repeat { names.append(try operand()) } while accept(",")
      try expect("}")
      return .vector(names)
    }
    if accept("[") {
      let base = String(try next().text)
      var offset = 0
      while peek == "+" || peek == "-" {
        let isNegative = try next().text == "-"
        let value = Int(bitPattern: UInt(try Number.bits(signed(), .s64, line)))
        offset += isNegative ? -value : value
      }
      try expect("]")
      return .address(base, offset)
    }
    if accept("!") { return .negated(String(try next().text)) }
    let text = try signed()
    if let sign = text.first, sign == "-" || sign.isNumber { return .number(text) }
    if accept("|") { return .pair(text, String(try next().text)) }
    return .name(text)
  }

  // MARK: - Tokens

  private var peek: Substring { at < tokens.count ? tokens[at].text : "" }
  private var line: Int { at > 0 ? tokens[at - 1].line : 0 }

  private mutating func next() throws(PTXError) -> Token {
    guard at < tokens.count else { throw PTXError(.unknown, "the text ends too early", line: line) }
    at += 1
    return tokens[at - 1]
  }

  private mutating func accept(_ text: Substring) -> Bool {
    guard peek == text else { return false }
    at += 1
    return true
  }

  private mutating func expect(_ text: Substring) throws(PTXError) {
    let found = try next()
    guard found.text == text else { throw error("found '\(found.text)', expected '\(text)'", found) }
  }

  private mutating func signed() throws(PTXError) -> String {
    accept("-") ? "-" + String(try next().text) : String(try next().text)
  }

  private mutating func integer() throws(PTXError) -> Int {
    Int(bitPattern: UInt(try Number.bits(signed(), .s64, line)))
  }

  private mutating func type() throws(PTXError) -> PTXType {
    let word = try next()
    guard word.text.first == ".", let type = PTXType(rawValue: String(word.text.dropFirst())) else {
      throw error("found '\(word.text)', expected a type", word)
    }
    return type
  }

  private mutating func skipBraces() throws(PTXError) {
    try expect("{")
    var depth = 1
    while depth > 0 {
      let text = try next().text
      depth += text == "{" ? 1 : text == "}" ? -1 : 0
    }
  }

  private func error(_ message: String, _ token: Token? = nil) -> PTXError {
    PTXError(.unknown, message, line: token?.line ?? line)
  }
}

/// An operand as written.
enum Operand {
  case name(String)
  case negated(String)
  case pair(String, String)
  case number(String)
  case address(String, Int)
  case vector([Operand])
}

/// Numbers as PTX writes them.
enum Number {
  /// The bits of `text` as a value of `type`: decimal, 0x…, 0f… and 0d… (bits of a float), 1.5.
  static func bits(_ text: String, _ type: PTXType, _ line: Int) throws(PTXError) -> UInt64 {
    let isNegative = text.hasPrefix("-")
    var digits = isNegative ? text.dropFirst() : text[...]
    if digits.hasSuffix("U") { digits = digits.dropLast() }
    if digits.hasPrefix("0f") || digits.hasPrefix("0F"), let bits = UInt32(digits.dropFirst(2), radix: 16) {
      let value = Float(bitPattern: isNegative ? bits ^ 0x8000_0000 : bits)
      return type == .f64 ? Double(value).bitPattern : UInt64(value.bitPattern)
    }
    if digits.hasPrefix("0d") || digits.hasPrefix("0D"), let bits = UInt64(digits.dropFirst(2), radix: 16) {
      let value = Double(bitPattern: isNegative ? bits ^ (1 << 63) : bits)
      return type == .f32 ? UInt64(Float(value).bitPattern) : value.bitPattern
    }
    let magnitude =
      digits.hasPrefix("0x") || digits.hasPrefix("0X")
      ? UInt64(digits.dropFirst(2), radix: 16) : UInt64(digits)
    guard let magnitude else { throw PTXError(.unknown, "'\(text)' is not a number", line: line) }
    switch type {
    case .f32: return UInt64((isNegative ? -Float(magnitude) : Float(magnitude)).bitPattern)
    case .f64: return (isNegative ? -Double(magnitude) : Double(magnitude)).bitPattern
    default: return isNegative ? 0 &- magnitude : magnitude
    }
  }
}
