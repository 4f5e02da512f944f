import Sim

/// Some of a prompt's tokens, and the instance that they lie on.
public struct LayerPiece: Hashable, Sendable {
  /// The instance.
  public var instance: Int
  /// Tokens.
  public var tokens: Int

  /// Takes the parts as they are.
  public init(instance: Int, tokens: Int) {
    self.instance = instance
    self.tokens = tokens
  }
}

/// A request of the layer-by-layer reference.
public struct LayerRequest: Hashable, Sendable {
  /// When it arrives, ps.
  public var arrival: Int64
  /// Tokens of the prompt, at least 1.
  public var prompt: Int
  /// Tokens of the output, at least 1.
  public var output: Int
  /// The instance that computes it.
  public var home: Int
  /// Where the prompt's tokens lie, from the first on; what they leave lies at home.
  public var pieces: [LayerPiece]

  /// Takes the parts as they are.
  public init(arrival: Int64 = 0, prompt: Int, output: Int, home: Int, pieces: [LayerPiece] = []) {
    self.arrival = arrival
    self.prompt = prompt
    self.output = output
    self.home = home
    self.pieces = pieces
  }

  /// The other instances that hold tokens of the prompt, ascending.
  public var hosts: [Int] {
    Set(pieces.filter { $0.tokens > 0 }.map(\.instance)).subtracting([home]).sorted()
  }

  /// The token positions that lie on `instance`, another than the home.
  func positions(on instance: Int) -> [Range<Int>] {
    var start = 0
    var found: [Range<Int>] = []
    for piece in pieces {
      if piece.instance == instance { found.append(start..<start + piece.tokens) }
      start += piece.tokens
    }
    return found
  }

  /// How many of `tokens` lie on `instance`, another than the home.
  func count(of tokens: Range<Int>, on instance: Int) -> Int {
    positions(on: instance).reduce(0) { $0 + $1.clamped(to: tokens).count }
  }

  /// How many of `tokens` lie at home.
  func countAtHome(of tokens: Range<Int>) -> Int {
    hosts.reduce(tokens.count) { $0 - count(of: tokens, on: $1) }
  }
}

/// How an instance fills its steps.
public enum LayerScheduler: String, Hashable, Sendable, CaseIterable {
  /// A step prefills whole prompts or decodes.
  case vllmV0 = "vllm-v0"
  /// A step decodes, and what is left of the budget prefills.
  case chunked
}

/// Who computes a chunk's attention to tokens on other instances.
public enum LayerPrefill: String, Hashable, Sendable, CaseIterable {
  /// The instances that hold them.
  case distributed
  /// The home.
  case home
  /// Nobody: chunks cost nothing.
  case free
}

/// What the layer-by-layer reference is given (docs/layer-reference.md).
public struct LayerCluster: Sendable {
  /// What an instance's work costs.
  public var costs: LayerCosts
  /// From instance to instance; the diagonal is not used.
  public var links: [[LinkCosts]]
  /// How steps are filled.
  public var scheduler: LayerScheduler
  /// Tokens of a step.
  public var tokenBudget: Int
  /// Requests that an instance runs at a time.
  public var mostSequences: Int
  /// `prefill-attention`.
  public var prefill: LayerPrefill
  /// The requests; their numbers are their places here.
  public var requests: [LayerRequest]

  /// Takes the parts as they are.
  public init(
    costs: LayerCosts, links: [[LinkCosts]], scheduler: LayerScheduler, tokenBudget: Int,
    mostSequences: Int = 256,
    prefill: LayerPrefill = .distributed, requests: [LayerRequest]
  ) {
    self.costs = costs
    self.links = links
    self.scheduler = scheduler
    self.tokenBudget = tokenBudget
    self.mostSequences = mostSequences
    self.prefill = prefill
    self.requests = requests
  }

  /// The same link between each two of `instances` instances.
  public static func links(instances: Int, _ link: LinkCosts) -> [[LinkCosts]] {
    Array(repeating: Array(repeating: link, count: instances), count: instances)
  }

  /// Traps unless everything is in range.
  func check() {
    let instances = links.indices
    precondition(
      links.allSatisfy { $0.count == links.count }, "links must be there from and to every instance")
    precondition(tokenBudget > 0 && mostSequences > 0, "a step must have room for a token and a sequence")
    precondition(
      costs.layers > 0 && costs.window > 0, "a model has at least one layer, a window at least one token")
    for request in requests {
      precondition(request.arrival >= 0, "a request arrives at 0 or later, found \(request.arrival)")
      precondition(
        request.prompt > 0 && request.output > 0, "prompt and output have at least 1 token: \(request)")
      precondition(instances.contains(request.home), "a home is one of \(instances), found \(request.home)")
      precondition(
        request.pieces.allSatisfy { instances.contains($0.instance) && $0.tokens >= 0 },
        "a piece lies on one of \(instances): \(request)")
      precondition(
        request.pieces.reduce(0) { $0 + $1.tokens } <= request.prompt,
        "pieces are parts of the prompt: \(request)")
    }
  }
}
