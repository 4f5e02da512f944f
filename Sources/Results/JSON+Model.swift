import Sim

extension JSON {
  /// A model as manifests have it: all that `ModelSpec` declares, but how weights are stored where they are in 16 bits, and
  /// no window of some layers where there is none. So the models of before either have the manifests that they had.
  public init(_ model: ModelSpec) {
    self.init(reflecting: model)
    set("alternatingWindow", model.alternatingWindow.map { .int($0) })
    set("weights", model.weights == .bf16 ? nil : .string(model.weights.rawValue))
    guard let experts = model.experts else { return }
    var inner = JSON(reflecting: experts)
    inner.set("weights", experts.weights.map { .string($0.rawValue) })
    set("experts", inner)
  }

  /// Replaces an object's member where it stands, or takes it out.
  private mutating func set(_ key: String, _ value: JSON?) {
    guard case .object(var members) = self, let place = members.firstIndex(where: { $0.key == key }) else {
      return
    }
    if let value { members[place].value = value } else { members.remove(at: place) }
    self = .object(members)
  }
}
