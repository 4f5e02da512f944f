/// The experts of a mixture-of-experts layer: gated feed-forward parts, of which a router picks some per token.
public struct MixtureOfExperts: Hashable, Sendable {
  /// Routed experts of a layer.
  public var count: Int
  /// Experts that each token is sent to (top-k).
  public var perToken: Int
  /// Width of one expert.
  public var intermediate: Int
  /// Experts of that width that every token passes.
  public var shared: Int
  /// Leading layers with a dense feed-forward part instead.
  public var denseLayers: Int
  /// How the routed experts' weights are stored, where it is not as the model's other matrices.
  public var weights: WeightFormat?

  /// Takes any values; `ModelSpec.validate()` says whether they make a model.
  public init(
    count: Int, perToken: Int, intermediate: Int, shared: Int = 0, denseLayers: Int = 0,
    weights: WeightFormat? = nil
  ) {
    self.count = count
    self.perToken = perToken
    self.intermediate = intermediate
    self.shared = shared
    self.denseLayers = denseLayers
    self.weights = weights
  }
}
