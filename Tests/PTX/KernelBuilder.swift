/// Gathers a kernel's names and instructions and lays out its registers, parameters and variables.
struct KernelBuilder {
  var kernel: Kernel
  private let addresses: [String: UInt64]
  private struct Register {
    var type: PTXType
    var offset: Int
  }
  /// Innermost last. A register range `%r<8>` is stored as its prefix; its members when they are first named.
  private var scopes: [[String: Register]] = []
  private var ranges: [(prefix: String, type: PTXType, count: Int, depth: Int)] = []
  private var labels: [String: Int] = [:]
  private var branches: [(instruction: Int, label: String)] = []
  private var constants: [String: Int] = [:]
  private var specials: [String: Int] = [:]
  private var shared: [String: Int] = [:]
  /// Shared variables of the module: a kernel has those that it names.
  private let moduleShared: [String: (bytes: Int, align: Int)]
  /// Where constants are that hold the address of dynamic shared memory, which follows all else.
  private var dynamic: [Int] = []
  private var local: [String: Int] = [:]

  init(
    name: String, addresses: [String: UInt64], moduleShared: [(name: String, bytes: Int, align: Int)]
  ) {
    kernel = Kernel(name: name)
    self.moduleShared = Dictionary(moduleShared.map { ($0.name, ($0.bytes, $0.align)) }) { $1 }
    self.addresses = addresses
  }

  // MARK: - Declarations

  mutating func addParameter(_ name: String, bytes: Int, align: Int) {
    let offset = (kernel.parameterBytes + align - 1) / align * align
    kernel.parameters.append(Kernel.Parameter(offset: offset, bytes: bytes))
    kernel.parameterNames.append(name)
  }

  mutating func addShared(_ variable: (name: String, bytes: Int, align: Int)) {
    let align = max(variable.align, 1)
    shared[variable.name] = (kernel.sharedBytes + align - 1) / align * align
    kernel.sharedBytes = (kernel.sharedBytes + align - 1) / align * align + variable.bytes
  }

  mutating func addLocal(_ variable: (name: String, bytes: Int, align: Int)) {
    let align = max(variable.align, 1)
    local[variable.name] = (kernel.localBytes + align - 1) / align * align
    kernel.localBytes = (kernel.localBytes + align - 1) / align * align + variable.bytes
  }

  mutating func openScope() { scopes.append([:]) }
  mutating func closeScope() {
    scopes.removeLast()
    ranges.removeAll { $0.depth > scopes.count }
  }

  mutating func addRegisters(_ name: String, _ type: PTXType, count: Int?) {
    if let count {
      ranges.append((name, type, count, scopes.count))
    } else {
      scopes[scopes.count - 1][name] = Register(type: type, offset: allocate(type))
    }
  }

  mutating func addLabel(_ name: String, _ line: Int) throws(PTXError) {
    guard labels.updateValue(kernel.instructions.count, forKey: name) == nil else {
      throw PTXError(.unknown, "label \(name) is there twice", line: line)
    }
  }

  mutating func finished() throws(PTXError) -> Kernel {
    for branch in branches {
      guard let target = labels[branch.label] else {
        throw PTXError(
          .unknown, "no label \(branch.label)", line: Int(kernel.instructions[branch.instruction].line))
      }
      kernel.instructions[branch.instruction].immediate = target
    }
    kernel.sharedBytes = (kernel.sharedBytes + 15) / 16 * 16
    for index in dynamic { kernel.constants[index].value = UInt64(kernel.sharedBytes) }
    // Running off the end ends a thread.
    kernel.instructions.append(Instruction(.exit, line: Int(kernel.instructions.last?.line ?? 0)))
    for instruction in kernel.instructions {
      guard [.load, .store, .atomic, .reduce, .copyAsync].contains(instruction.operation) else { continue }
      let bytes = instruction.type.bytes
      if instruction.space != .global { kernel.sharedGranule = min(kernel.sharedGranule, bytes) }
      if instruction.space != .shared { kernel.globalGranule = min(kernel.globalGranule, bytes) }
    }
    return kernel
  }

  mutating func append(_ instruction: Instruction) { kernel.instructions.append(instruction) }

  mutating func addBranch(_ label: String) {
    branches.append((kernel.instructions.count, label))
  }

  // MARK: - Operands

  private mutating func allocate(_ type: PTXType) -> Int {
    let bytes = type == .pred ? 32 : type.registerBytes * 32
    defer { kernel.registerBytes += bytes }
    return kernel.registerBytes
  }

  /// The register of a name, or nil if it is not one.
  private mutating func lookUp(_ name: String) -> Register? {
    for scope in scopes.reversed() {
      if let register = scope[name] { return register }
    }
    let prefix = name[..<(name.lastIndex { !$0.isNumber }.map { name.index(after: $0) } ?? name.startIndex)]
    guard let number = Int(name[prefix.endIndex...]) else { return nil }
    for range in ranges.reversed() where range.prefix == prefix && number < range.count {
      let register = Register(type: range.type, offset: allocate(range.type))
      scopes[range.depth - 1][name] = register
      return register
    }
    return nil
  }

  /// A register's place and its type.
  mutating func register(_ operand: Operand, _ line: Int) throws(PTXError) -> (offset: Int32, type: PTXType) {
    guard case .name(let name) = operand else {
      throw PTXError(.unknown, "found \(operand), expected a register", line: line)
    }
    if name == "_" { return (-1, .b32) }
    guard let register = lookUp(name) else {
      throw PTXError(.unknown, "no register \(name)", line: line)
    }
    return (Int32(register.offset), register.type)
  }

  /// A destination of `bytes` a lane.
  mutating func destination(_ operand: Operand, bytes: Int, _ line: Int) throws(PTXError) -> Int32 {
    let register = try self.register(operand, line)
    guard register.offset < 0 || register.type.bytes == bytes else {
      throw PTXError(.unknown, "\(operand) is a register of another size than the instruction's", line: line)
    }
    return register.offset
  }

  /// A source read as `type`: a register, a special register, a number or the address of a variable.
  mutating func source(_ operand: Operand, _ type: PTXType, _ line: Int) throws(PTXError) -> Int32 {
    switch operand {
    case .number(let text): return constant(try Number.bits(text, type, line), type)
    case .name(let name):
      if let register = lookUp(name) {
        guard register.type.bytes == type.registerBytes else {
          throw PTXError(.unknown, "\(name) is a register of another size than the instruction's", line: line)
        }
        return Int32(register.offset)
      }
      if Special.names.contains(name) { return special(name) }
      if let place = variable(name, type) { return place }
      throw PTXError(.unknown, "no register or variable \(name)", line: line)
    default: throw PTXError(.unknown, "found \(operand), expected a value", line: line)
    }
  }

  /// The place of a constant that holds a variable's address in its own state space, or nil if there is no such.
  mutating func variable(_ name: String, _ type: PTXType) -> Int32? {
    if shared[name] == nil, let module = moduleShared[name] {
      if module.bytes == 0 {
        let offset = allocate(type)
        dynamic.append(kernel.constants.count)
        kernel.constants.append((offset, type.registerBytes, 0))
        return Int32(offset)
      }
      addShared((name, module.bytes, module.align))
    }
    let parameter = kernel.parameterNames.firstIndex(of: name).map { kernel.parameters[$0].offset }
    let local = (shared[name] ?? self.local[name] ?? parameter).map(UInt64.init)
    return (local ?? addresses[name]).map { constant($0, type) }
  }

  /// The place of a constant, alike in all lanes; of a predicate, all lanes' bits.
  mutating func constant(_ value: UInt64, _ type: PTXType) -> Int32 {
    let bytes = type.registerBytes
    // A predicate's constant is the bits of all lanes.
    let masked = bytes == 8 || type == .pred ? value : value & (1 << UInt64(bytes * 8) - 1)
    let key = "\(bytes):\(masked)"
    if let offset = constants[key] { return Int32(offset) }
    let offset = allocate(type)
    constants[key] = offset
    kernel.constants.append((offset, bytes, masked))
    return Int32(offset)
  }

  private mutating func special(_ name: String) -> Int32 {
    if let offset = specials[name] { return Int32(offset) }
    let offset = allocate(.b32)
    specials[name] = offset
    kernel.specials.append((name, offset))
    return Int32(offset)
  }
}

/// The special registers that a kernel may read.
enum Special {
  static let names: Set<String> = [
    "%tid.x", "%tid.y", "%tid.z", "%ntid.x", "%ntid.y", "%ntid.z", "%ctaid.x", "%ctaid.y", "%ctaid.z",
    "%nctaid.x", "%nctaid.y", "%nctaid.z", "%laneid", "%warpid", "%lanemask_eq", "%lanemask_lt",
    "%lanemask_le",
    "%lanemask_gt", "%lanemask_ge",
  ]
}
