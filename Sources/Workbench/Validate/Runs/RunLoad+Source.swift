import Sim

/// The requests of a load.
extension RunLoad {
  /// Requests of a closed loop, for each client: what SemiAnalysis' InferenceX sends (`--num-prompts` of ten times the
  /// concurrency, benchmarks/*.sh). Means are over all of them, the first round included, as its client takes them.
  static let requestsPerClient = 10

  /// Tokens of a unit of shared prompt, 0 where prompts share nothing: a block.
  var prefixUnit: Int {
    if case .constantRate = self { EngineOptions().blockSize } else { 0 }
  }

  /// Prompt and output of a request, the mean of those that it is drawn from; `nil` where requests differ more.
  var meanTokens: Int? {
    switch self {
    case .atOnce(let all):
      Set(all).count == 1 ? all[0].prompt + all[0].output : nil
    case .constantRate(_, _, let lengths, _, _, _): lengths.prompt + lengths.output
    case .closedLoop(_, let lengths, let least):
      Int(Double(lengths.prompt + lengths.output) * (1 + least) / 2)
    }
  }

  /// The requests from the first. Clients of a closed loop whose requests are all alike begin evenly over `alone`, the time of a
  /// request that has the engine for itself: begun together they would stay in step for ever, which real ones do not.
  func source(alone: SimDuration = .zero) -> SessionSource {
    switch self {
    case .atOnce(let all): SessionSource(all.map { turn($0, at: .zero) })
    case .constantRate(let rate, let requests, let lengths, let distinct, let groups, let shared):
      SessionSource(
        (0..<requests).map { index in
          let time = SimTime(picoseconds: Int64((Double(index) / rate * 1e12).rounded()))
          var turn = turn(lengths, at: time)
          turn.prefix = Self.prefix(
            of: index % distinct, units: lengths.prompt / prefixUnit, groups: groups,
            shared: shared / prefixUnit)
          return turn
        }, prefixUnit: prefixUnit)
    case .closedLoop(let clients, let lengths, let leastShare):
      SessionSource(
        (0..<(clients * Self.requestsPerClient)).map { index in
          let drawn = Lengths(
            prompt: Self.draw(lengths.prompt, leastShare, index, "prompts"),
            output: Self.draw(lengths.output, leastShare, index, "outputs"))
          let isFirst = index < clients
          let offset = leastShare == 1 && isFirst ? alone.picoseconds / Int64(clients) * Int64(index) : 0
          var turn = turn(drawn, at: SimTime(picoseconds: offset))
          turn.follows = isFirst ? nil : index - clients
          return turn
        })
    }
  }

  private func turn(_ lengths: Lengths, at arrival: SimTime) -> SessionSource.Turn {
    SessionSource.Turn(
      request: TraceRequest(arrival: arrival, prompt: lengths.prompt, output: lengths.output))
  }

  /// The units of prompt `number`: those of its group's system prompt, then its own.
  private static func prefix(of number: Int, units: Int, groups: Int, shared: Int) -> ContiguousArray<UInt64>
  {
    let group = UInt64(number % max(1, groups))
    return ContiguousArray(
      (0..<units).map { unit in
        unit < shared ? group << 32 | UInt64(unit) : UInt64(number + 1) << 48 | UInt64(unit)
      })
  }

  private static func draw(_ most: Int, _ leastShare: Double, _ index: Int, _ name: String) -> Int {
    let least = max(1, Int(Double(most) * leastShare))
    return least
      + RandomStream(seed: 0, name: name).integer(below: most - least + 1, entity: index, ordinal: 0)
  }
}
