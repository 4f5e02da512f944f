/// The words of an opcode, taken one by one; what is left at the end is unknown.
private struct Modifiers {
  var words: [Substring]
  let opcode: String
  let line: Int

  mutating func accept(_ word: Substring) -> Bool {
    guard let index = words.firstIndex(of: word) else { return false }
    words.remove(at: index)
    return true
  }

  /// The first of the words that `make` takes.
  mutating func first<T>(_ make: (String) -> T?) -> T? {
    for (index, word) in words.enumerated() {
      if let value = make(String(word)) {
        words.remove(at: index)
        return value
      }
    }
    return nil
  }

  mutating func type() throws(PTXError) -> PTXType {
    guard let type = first(PTXType.init(rawValue:)) else {
      throw PTXError(.unknown, "\(opcode) names no type", line: line)
    }
    return type
  }
}

extension KernelBuilder {
  /// Decodes one instruction; throws if any part of it is not known.
  mutating func addInstruction(
    _ opcode: String, _ operands: [Operand], _ guardName: (name: String, isNegated: Bool)?, _ line: Int
  ) throws(PTXError) {
    let words = opcode.split(separator: ".", omittingEmptySubsequences: false)
    var modifiers = Modifiers(words: Array(words.dropFirst()), opcode: opcode, line: line)
    var instruction = try decode(String(words[0]), &modifiers, operands, line)
    guard modifiers.words.isEmpty else {
      throw PTXError(
        .unknown, "unknown opcode \(opcode): '.\(modifiers.words.joined(separator: "."))' is not known",
        line: line)
    }
    if let guardName {
      let register = try self.register(.name(guardName.name), line)
      guard register.type == .pred else {
        throw PTXError(.unknown, "\(guardName.name) is not a predicate", line: line)
      }
      instruction.guardOffset = register.offset
      instruction.guardIsNegated = guardName.isNegated
    }
    append(instruction)
  }

  private mutating func decode(
    _ name: String, _ modifiers: inout Modifiers, _ operands: [Operand], _ line: Int
  ) throws(PTXError) -> Instruction {
    let unknown = PTXError(.unknown, "unknown opcode \(modifiers.opcode)", line: line)
    /// An instruction of one type: a destination and `count` sources of it.
    func simple(
      _ self: inout KernelBuilder, _ operation: Operation, _ count: Int, in types: Set<PTXType>
    ) throws(PTXError) -> Instruction {
      var instruction = Instruction(operation, line: line)
      // `fma.rn`, `div.full`: rounding to nearest is what is done; approximations name themselves.
      if modifiers.first({ Rounding(rawValue: $0) }) ?? .rn != .rn { throw unknown }
      instruction.flushes = modifiers.accept("ftz")
      instruction.type = try modifiers.type()
      guard types.contains(instruction.type), operands.count == count + 1 else { throw unknown }
      // Only the approximations flush; flushing arithmetic is not modelled.
      if instruction.flushes,
        operation != .exp2 && operation != .log2 && operation != .rsqrt && operation != .reciprocal
          && operation != .sqrt
      {
        throw unknown
      }
      let type = instruction.type
      instruction.d = try self.destination(operands[0], bytes: type.registerBytes, line)
      instruction.a = try self.source(operands[1], type, line)
      if count > 1 { instruction.b = try self.source(operands[2], type, line) }
      if count > 2 { instruction.c = try self.source(operands[3], type, line) }
      return instruction
    }
    let integers: Set<PTXType> = [.u16, .s16, .u32, .s32, .u64, .s64]
    let floats: Set<PTXType> = [.f32, .f64]
    let bits: Set<PTXType> = [.b16, .b32, .b64, .pred]

    switch name {
    case "mov": return try mov(&modifiers, operands, line)
    case "add", "sub", "min", "max":
      return try simple(
        &self, name == "add" ? .add : name == "sub" ? .sub : name == "min" ? .min : .max, 2,
        in: integers.union(floats))
    case "rem": return try simple(&self, .rem, 2, in: integers)
    case "div":
      let isApproximate = modifiers.accept("approx") || modifiers.accept("full")
      return try simple(
        &self, isApproximate ? .divApproximate : .div, 2, in: isApproximate ? [.f32] : integers.union(floats))
    case "abs", "neg": return try simple(&self, name == "abs" ? .abs : .neg, 1, in: integers.union(floats))
    case "fma": return try simple(&self, .fma, 3, in: floats)
    case "mul", "mad":
      let isMad = name == "mad"
      if modifiers.accept("lo") { return try simple(&self, isMad ? .mad : .mul, isMad ? 3 : 2, in: integers) }
      if modifiers.accept("hi") {
        return try simple(&self, isMad ? .madHigh : .mulHigh, isMad ? 3 : 2, in: integers)
      }
      if modifiers.accept("wide") {
        var instruction = Instruction(isMad ? .madWide : .mulWide, line: line)
        instruction.type = try modifiers.type()
        let wide: [PTXType: PTXType] = [.u16: .u32, .s16: .s32, .u32: .u64, .s32: .s64]
        guard let result = wide[instruction.type], operands.count == (isMad ? 4 : 3) else { throw unknown }
        instruction.d = try destination(operands[0], bytes: result.bytes, line)
        instruction.a = try source(operands[1], instruction.type, line)
        instruction.b = try source(operands[2], instruction.type, line)
        if isMad { instruction.c = try source(operands[3], result, line) }
        return instruction
      }
      return try simple(&self, isMad ? .fma : .mul, isMad ? 3 : 2, in: floats)
    case "sqrt", "rsqrt", "rcp", "ex2", "lg2", "sin", "cos":
      let operation: [String: Operation] = [
        "sqrt": .sqrt, "rsqrt": .rsqrt, "rcp": .reciprocal, "ex2": .exp2, "lg2": .log2, "sin": .sin,
        "cos": .cos,
      ]
      // The exact ones are those that round; the others err as the ISA allows.
      let isApproximate = modifiers.accept("approx")
      var instruction = try simple(&self, operation[name] ?? .sqrt, 1, in: isApproximate ? [.f32] : floats)
      guard isApproximate || name == "sqrt" || name == "rcp" else { throw unknown }
      instruction.isApproximate = isApproximate
      return instruction
    case "and", "or", "xor":
      return try simple(&self, name == "and" ? .and : name == "or" ? .or : .xor, 2, in: bits)
    case "not": return try simple(&self, .not, 1, in: bits)
    case "popc", "clz", "brev":
      var instruction = Instruction(name == "popc" ? .popc : name == "clz" ? .clz : .reverse, line: line)
      instruction.type = try modifiers.type()
      guard instruction.type.bytes >= 4, operands.count == 2 else { throw unknown }
      instruction.d = try destination(operands[0], bytes: name == "brev" ? instruction.type.bytes : 4, line)
      instruction.a = try source(operands[1], instruction.type, line)
      return instruction
    case "shl", "shr":
      var instruction = Instruction(name == "shl" ? .shl : .shr, line: line)
      instruction.type = try modifiers.type()
      guard operands.count == 3, instruction.type.bytes >= 2, !instruction.type.isFloat else { throw unknown }
      instruction.d = try destination(operands[0], bytes: instruction.type.bytes, line)
      instruction.a = try source(operands[1], instruction.type, line)
      instruction.b = try source(operands[2], .u32, line)
      return instruction
    case "shf":
      let isLeft = modifiers.accept("l")
      guard isLeft || modifiers.accept("r") else { throw unknown }
      guard modifiers.accept("wrap") else { throw unknown }
      return try simple(&self, isLeft ? .funnelLeft : .funnelRight, 3, in: [.b32])
    case "bfe", "bfi":
      var instruction = Instruction(name == "bfe" ? .bitExtract : .bitInsert, line: line)
      let type = try modifiers.type()
      instruction.type = type
      guard type.bytes >= 4, operands.count == (name == "bfe" ? 4 : 5) else { throw unknown }
      instruction.d = try destination(operands[0], bytes: type.bytes, line)
      instruction.a = try source(operands[1], type, line)
      if name == "bfi" { instruction.e = try source(operands[2], type, line) }
      instruction.b = try source(operands[operands.count - 2], .u32, line)
      instruction.c = try source(operands[operands.count - 1], .u32, line)
      return instruction
    case "lop3":
      guard modifiers.accept("b32"), operands.count == 5, case .number(let table) = operands[4] else {
        throw unknown
      }
      var instruction = Instruction(.lop3, line: line)
      instruction.d = try destination(operands[0], bytes: 4, line)
      instruction.a = try source(operands[1], .b32, line)
      instruction.b = try source(operands[2], .b32, line)
      instruction.c = try source(operands[3], .b32, line)
      instruction.immediate = Int(try Number.bits(table, .u32, line))
      return instruction
    case "prmt":
      return try simple(&self, .permute, 3, in: [.b32])
    case "selp":
      let type = try modifiers.type()
      var instruction = Instruction(.selp, line: line)
      instruction.type = type
      guard operands.count == 4, type != .pred else { throw unknown }
      instruction.d = try destination(operands[0], bytes: type.registerBytes, line)
      instruction.a = try source(operands[1], type, line)
      instruction.b = try source(operands[2], type, line)
      instruction.c = try source(operands[3], .pred, line)
      return instruction
    case "setp": return try setp(&modifiers, operands, line)
    case "cvt": return try cvt(&modifiers, operands, line)
    case "cvta":
      let isTo = modifiers.accept("to")
      guard let space = modifiers.first(Space.init(rawValue:)), operands.count == 2,
        modifiers.accept("u64"), space == .global || space == .shared || space == .local || space == .const
      else { throw unknown }
      var instruction = Instruction(.addPointer, line: line)
      instruction.type = .u64
      instruction.d = try destination(operands[0], bytes: 8, line)
      instruction.a = try source(operands[1], .u64, line)
      let window = space == .shared ? Window.shared : space == .local ? Window.local : 0
      instruction.immediate = isTo ? -Int(window) : Int(window)
      return instruction
    case "ld", "ldu", "st": return try access(name, &modifiers, operands, line)
    case "atom", "red": return try atomic(name, &modifiers, operands, line)
    case "cp":
      guard modifiers.accept("async") else { throw unknown }
      if modifiers.accept("commit_group") { return Instruction(.commitCopies, line: line) }
      var instruction = Instruction(.waitCopies, line: line)
      if modifiers.accept("wait_all") {
        instruction.immediate = -1
        return instruction
      }
      if modifiers.accept("wait_group"), operands.count == 1, case .number(let count) = operands[0] {
        instruction.immediate = Int(try Number.bits(count, .u32, line))
        return instruction
      }
      guard modifiers.accept("ca") || modifiers.accept("cg"), modifiers.accept("shared"),
        modifiers.accept("global"),
        operands.count == 3 || operands.count == 4, case .number(let count) = operands[2],
        case .address(let to, let toOffset) = operands[0],
        case .address(let from, let fromOffset) = operands[1],
        toOffset == 0, fromOffset == 0
      else { throw unknown }
      instruction.operation = .copyAsync
      instruction.immediate = Int(try Number.bits(count, .u32, line))
      guard [4, 8, 16].contains(instruction.immediate) else { throw unknown }
      let target = try register(.name(to), line)
      instruction.d = target.offset
      instruction.destinationBytes = UInt8(target.type.bytes)
      instruction.a = try source(.name(from), .u64, line)
      instruction.b =
        try operands.count == 4
        ? source(operands[3], .u32, line) : constant(UInt64(instruction.immediate), .u32)
      return instruction
    case "shfl":
      guard modifiers.accept("sync"), modifiers.accept("b32"), operands.count == 5 else { throw unknown }
      let modes: [String: Operation] = [
        "up": .shuffleUp, "down": .shuffleDown, "bfly": .shuffleXor, "idx": .shuffleIndex,
      ]
      guard let operation = modifiers.first({ modes[$0] }) else { throw unknown }
      var instruction = Instruction(operation, line: line)
      if case .pair(let value, let predicate) = operands[0] {
        instruction.d = try destination(.name(value), bytes: 4, line)
        instruction.e = try destination(.name(predicate), bytes: 0, line)
      } else {
        instruction.d = try destination(operands[0], bytes: 4, line)
      }
      instruction.a = try source(operands[1], .b32, line)
      instruction.b = try source(operands[2], .u32, line)
      instruction.c = try source(operands[3], .u32, line)
      instruction.vector.0 = try source(operands[4], .u32, line)
      return instruction
    case "vote":
      guard modifiers.accept("sync"), operands.count == 3 else { throw unknown }
      let isBallot = modifiers.accept("ballot")
      guard isBallot ? modifiers.accept("b32") : true else { throw unknown }
      let operation: Operation? =
        isBallot ? .ballot : modifiers.accept("any") ? .voteAny : modifiers.accept("all") ? .voteAll : nil
      guard let operation, isBallot || modifiers.accept("pred") else { throw unknown }
      var instruction = Instruction(operation, line: line)
      instruction.d = try destination(operands[0], bytes: isBallot ? 4 : 0, line)
      if case .negated(let predicate) = operands[1] {
        instruction.combinedIsNegated = true
        instruction.a = try source(.name(predicate), .pred, line)
      } else {
        instruction.a = try source(operands[1], .pred, line)
      }
      instruction.vector.0 = try source(operands[2], .u32, line)
      return instruction
    case "activemask":
      guard modifiers.accept("b32"), operands.count == 1 else { throw unknown }
      var instruction = Instruction(.activeMask, line: line)
      instruction.d = try destination(operands[0], bytes: 4, line)
      return instruction
    case "bar", "barrier":
      if modifiers.accept("warp") {
        guard modifiers.accept("sync"), operands.count == 1 else { throw unknown }
        var instruction = Instruction(.warpBarrier, line: line)
        instruction.vector.0 = try source(operands[0], .u32, line)
        return instruction
      }
      _ = modifiers.accept("cta")
      // A barrier of all threads of the block; named barriers of some of them are not modelled.
      guard modifiers.accept("sync"), operands.count == 1, case .number("0") = operands[0] else {
        throw unknown
      }
      // `barrier` without `.aligned` lets the threads of a warp arrive on their own.
      if name == "barrier", !modifiers.accept("aligned") { throw unknown }
      return Instruction(.barrier, line: line)
    case "membar", "fence":
      modifiers.words.removeAll { ["gl", "cta", "sys", "gpu", "acq_rel", "sc"].contains($0) }
      return Instruction(.fence, line: line)
    case "bra":
      _ = modifiers.accept("uni")
      guard operands.count == 1, case .name(let label) = operands[0] else { throw unknown }
      addBranch(label)
      return Instruction(.branch, line: line)
    case "ret", "exit": return Instruction(.exit, line: line)
    case "trap": return Instruction(.trap, line: line)
    default: throw unknown
    }
  }

  // MARK: - Instructions with rules of their own

  private mutating func mov(
    _ modifiers: inout Modifiers, _ operands: [Operand], _ line: Int
  ) throws(PTXError) -> Instruction {
    var instruction = Instruction(.mov, line: line)
    let type = try modifiers.type()
    instruction.type = type
    guard operands.count == 2 else { throw PTXError(.unknown, "mov has two operands", line: line) }
    switch (operands[0], operands[1]) {
    case (.vector(let parts), let whole):
      instruction.operation = .unpack
      let part = try partType(type, parts.count, line)
      instruction.sourceType = part
      instruction.a = try source(whole, type, line)
      instruction.vectorCount = Int32(parts.count)
      var offsets: [Int32] = []
      for operand in parts { offsets.append(try destination(operand, bytes: part.bytes, line)) }
      instruction.vector = Self.tuple(offsets)
    case (let whole, .vector(let parts)):
      instruction.operation = .pack
      let part = try partType(type, parts.count, line)
      instruction.sourceType = part
      instruction.d = try destination(whole, bytes: type.bytes, line)
      instruction.vectorCount = Int32(parts.count)
      var offsets: [Int32] = []
      for operand in parts { offsets.append(try source(operand, part, line)) }
      instruction.vector = Self.tuple(offsets)
    default:
      instruction.d = try destination(operands[0], bytes: type == .pred ? 0 : type.registerBytes, line)
      if type == .pred, case .number(let text) = operands[1] {
        instruction.a = constant(try Number.bits(text, .u32, line) == 0 ? 0 : 0xffff_ffff, .pred)
      } else {
        instruction.a = try source(operands[1], type, line)
      }
    }
    return instruction
  }

  private func partType(_ whole: PTXType, _ count: Int, _ line: Int) throws(PTXError) -> PTXType {
    switch whole.bytes / count {
    case 2 where whole.bytes % count == 0: return .b16
    case 4: return .b32
    default: throw PTXError(.unknown, "mov of \(count) parts of a \(whole.rawValue) is not known", line: line)
    }
  }

  private static func tuple(_ offsets: [Int32]) -> (Int32, Int32, Int32, Int32) {
    (
      offsets[0], offsets.count > 1 ? offsets[1] : -1, offsets.count > 2 ? offsets[2] : -1,
      offsets.count > 3 ? offsets[3] : -1
    )
  }

  private mutating func setp(
    _ modifiers: inout Modifiers, _ operands: [Operand], _ line: Int
  ) throws(PTXError) -> Instruction {
    var instruction = Instruction(.setp, line: line)
    guard let comparison = modifiers.first(Comparison.init(rawValue:)) else {
      throw PTXError(.unknown, "unknown opcode \(modifiers.opcode)", line: line)
    }
    instruction.comparison = comparison
    instruction.combination = modifiers.first(Combination.init(rawValue:))
    let type = try modifiers.type()
    instruction.type = type
    guard operands.count == (instruction.combination == nil ? 3 : 4), type.bytes >= 2, type != .f16,
      type != .bf16
    else {
      throw PTXError(.unknown, "unknown opcode \(modifiers.opcode)", line: line)
    }
    if case .pair(let first, let second) = operands[0] {
      instruction.d = try destination(.name(first), bytes: 0, line)
      instruction.e = try destination(.name(second), bytes: 0, line)
    } else {
      instruction.d = try destination(operands[0], bytes: 0, line)
    }
    instruction.a = try source(operands[1], type, line)
    instruction.b = try source(operands[2], type, line)
    if instruction.combination != nil {
      if case .negated(let predicate) = operands[3] {
        instruction.combinedIsNegated = true
        instruction.c = try source(.name(predicate), .pred, line)
      } else {
        instruction.c = try source(operands[3], .pred, line)
      }
    }
    return instruction
  }

  private mutating func cvt(
    _ modifiers: inout Modifiers, _ operands: [Operand], _ line: Int
  ) throws(PTXError) -> Instruction {
    var instruction = Instruction(.cvt, line: line)
    instruction.rounding = modifiers.first(Rounding.init(rawValue:))
    instruction.type = try modifiers.type()
    instruction.sourceType = try modifiers.type()
    let types = (instruction.type, instruction.sourceType)
    let isKnown =
      types.0.bytes > 0 && types.1.bytes > 0 && types.1 != .bf16
      && (types.0 != .bf16 || types.1 == .f32 && instruction.rounding == .rn)
      && (types.0 != .f16 || types.1 == .f32 && instruction.rounding == .rn || types.1 == .f16)
      // Other roundings of a result that has no exact form are not modelled.
      && (!types.0.isFloat || [.rn, nil, .rni, .rzi, .rmi, .rpi].contains(instruction.rounding)
        || instruction.rounding == .rz && types.0 == .f32 && !types.1.isFloat)
    guard operands.count == 2, isKnown else {
      throw PTXError(.unknown, "unknown opcode \(modifiers.opcode)", line: line)
    }
    let destination = try register(operands[0], line)
    guard destination.type.bytes >= types.0.bytes, destination.type != .pred else {
      throw PTXError(.unknown, "the destination of \(modifiers.opcode) is too small", line: line)
    }
    instruction.d = destination.offset
    instruction.destinationBytes = UInt8(destination.type.bytes)
    if case .name(let name) = operands[1], !Special.names.contains(name) {
      let source = try register(operands[1], line)
      guard source.type.bytes >= types.1.bytes else {
        throw PTXError(.unknown, "the source of \(modifiers.opcode) is too small", line: line)
      }
      instruction.a = source.offset
      instruction.sourceBytes = UInt8(source.type.bytes)
    } else {
      instruction.a = try source(operands[1], types.1, line)
      instruction.sourceBytes = UInt8(types.1.registerBytes)
    }
    return instruction
  }

  private mutating func access(
    _ name: String, _ modifiers: inout Modifiers, _ operands: [Operand], _ line: Int
  ) throws(PTXError) -> Instruction {
    let unknown = PTXError(.unknown, "unknown opcode \(modifiers.opcode)", line: line)
    let isLoad = name != "st"
    var instruction = Instruction(isLoad ? .load : .store, line: line)
    instruction.space = modifiers.first(Space.init(rawValue:)) ?? .generic
    // Hints to caches change nothing that can be seen.
    if isLoad, modifiers.accept("nc"), instruction.space != .global { throw unknown }
    modifiers.words.removeAll { ["ca", "cg", "cs", "L1::no_allocate"].contains($0) || $0.hasPrefix("L2::") }
    if modifiers.accept("volatile") || modifiers.accept("relaxed") {
      instruction.isVolatile = true
      modifiers.words.removeAll { ["gpu", "cta", "sys"].contains($0) }
    }
    let count = modifiers.accept("v2") ? 2 : modifiers.accept("v4") ? 4 : 1
    let type = try modifiers.type()
    guard operands.count == 2, type.bytes > 0, case .address(let base, let offset) = operands[isLoad ? 1 : 0]
    else {
      throw unknown
    }
    instruction.type = type
    instruction.vectorCount = Int32(count)
    var parts = [operands[isLoad ? 0 : 1]]
    if case .vector(let list) = parts[0] { parts = list }
    guard parts.count == count else { throw unknown }
    var offsets: [Int32] = []
    for part in parts {
      if case .name = part {
        let register = try self.register(part, line)
        guard register.offset < 0 || register.type.bytes >= type.bytes, register.type != .pred else {
          throw unknown
        }
        instruction.destinationBytes = UInt8(register.type.bytes)
        offsets.append(register.offset)
      } else {
        guard !isLoad else { throw unknown }
        offsets.append(try source(part, type, line))
        instruction.destinationBytes = UInt8(type.registerBytes)
      }
    }
    instruction.vector = Self.tuple(offsets)
    if instruction.space == .param {
      // A kernel's parameters are read at fixed places, by name or by a register that has the name's address.
      guard isLoad else { throw unknown }
      instruction.operation = .loadParameter
    }
    (instruction.a, instruction.sourceBytes) = try addressBase(base, line)
    instruction.immediate = offset
    return instruction
  }

  /// An address: a register of 4 or 8 bytes, or a variable.
  private mutating func addressBase(_ base: String, _ line: Int) throws(PTXError) -> (Int32, UInt8) {
    if let place = variable(base, .u64) { return (place, 8) }
    if base.first?.isNumber == true { return (constant(try Number.bits(base, .u64, line), .u64), 8) }
    let register = try self.register(.name(base), line)
    guard register.type.bytes >= 4 else { throw PTXError(.unknown, "\(base) is no address", line: line) }
    return (register.offset, UInt8(register.type.bytes))
  }

  private mutating func atomic(
    _ name: String, _ modifiers: inout Modifiers, _ operands: [Operand], _ line: Int
  ) throws(PTXError) -> Instruction {
    let unknown = PTXError(.unknown, "unknown opcode \(modifiers.opcode)", line: line)
    var instruction = Instruction(name == "atom" ? .atomic : .reduce, line: line)
    modifiers.words.removeAll { ["relaxed", "gpu", "cta", "sys", "acq_rel"].contains($0) }
    instruction.space = modifiers.first(Space.init(rawValue:)) ?? .generic
    guard let operation = modifiers.first(AtomicOperation.init(rawValue:)) else { throw unknown }
    instruction.atomic = operation
    let type = try modifiers.type()
    instruction.type = type
    let hasResult = name == "atom"
    let sources = operation == .cas ? 2 : 1
    guard operands.count == (hasResult ? 2 : 1) + sources, type.bytes >= 4,
      case .address(let base, let offset) = operands[hasResult ? 1 : 0], type != .f64 || operation == .add,
      type != .f32 || operation == .add || operation == .exch
    else { throw unknown }
    if hasResult { instruction.d = try destination(operands[0], bytes: type.bytes, line) }
    (instruction.a, instruction.sourceBytes) = try addressBase(base, line)
    instruction.immediate = offset
    instruction.b = try source(operands[operands.count - sources], type, line)
    if sources == 2 { instruction.c = try source(operands[operands.count - 1], type, line) }
    return instruction
  }
}
