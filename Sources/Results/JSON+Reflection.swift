extension JSON {
  /// A value's stored properties as they are declared, for manifests: a constant added to a hardware profile or
  /// a model enters the manifest by being there.
  ///
  /// Structures become objects, cases with a payload an object of one key, cases without one their name,
  /// `nil` null. Meant for plain data; anything else becomes its description.
  public init(reflecting value: Any) {
    switch value {
    case let json as JSON: self = json
    case let bool as Bool: self = .bool(bool)
    case let int as any BinaryInteger: self = .int(Int(int))
    case let double as Double: self = .double(double)
    case let string as String: self = .string(string)
    default: self.init(mirrored: value)
    }
  }

  private init(mirrored value: Any) {
    let mirror = Mirror(reflecting: value)
    let children = mirror.children
    switch mirror.displayStyle {
    case .optional:
      self = children.first.map { JSON(reflecting: $0.value) } ?? .null
    case .collection, .set:
      self = .array(children.map { JSON(reflecting: $0.value) })
    case .struct, .class, .tuple, .enum:
      guard !children.isEmpty else {
        self = .string(String(describing: value))
        return
      }
      self = .object(
        children.enumerated().map { position, child in
          Member(child.label ?? String(position), JSON(reflecting: child.value))
        })
    default:
      self = .string(String(describing: value))
    }
  }
}
