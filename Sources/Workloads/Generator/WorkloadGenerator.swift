import Sim

extension WorkloadSpec {
  /// All requests by arrival, the first at 0; ties by class, then by session or order of arrival. In memory:
  /// about 150 bytes each. Throws `invalidOption` if nothing is generated.
  public func generate() throws(TraceError) -> [TraceRecord] {
    var drafts: [Draft] = []
    for (index, kind) in classes.enumerated() {
      drafts += ClassGenerator(kind, index, of: self).drafts()
    }
    drafts.sort { ($0.arrival, $0.order) < ($1.arrival, $1.order) }
    if let requests, drafts.count > requests { drafts.removeLast(drafts.count - requests) }
    guard let first = drafts.first?.arrival else {
      throw .invalidOption(
        name: "duration", found: "no request", expected: "a duration in which a request arrives")
    }
    let isLabelled = classes.count > 1
    var numbers: [Int: Int] = [:]
    return drafts.map { draft in
      var details = draft.details
      if isLabelled { details.label = classes[draft.order.kind].name }
      if let session = details.session {
        // Sessions are numbered in order of their first arrival.
        let key = session * classes.count + draft.order.kind
        let number = numbers[key] ?? numbers.count
        numbers[key] = number
        details.session = number
      }
      let arrival = SimTime(picoseconds: draft.arrival - first)
      return TraceRecord(
        TraceRequest(arrival: arrival, prompt: draft.prompt, output: draft.output), details)
    }
  }
}

/// A request before those of all classes are put in order.
private struct Draft {
  struct Order: Comparable {
    var kind: Int
    var number: Int
    static func < (a: Order, b: Order) -> Bool { (a.kind, a.number) < (b.kind, b.number) }
  }
  var arrival: Int64
  var order: Order
  var prompt: Int
  var output: Int
  var details: TraceDetails
}

/// The requests of one class.
private struct ClassGenerator {
  private let kind: RequestClass
  private let index: Int
  private let spec: WorkloadSpec
  private let lengths: RandomDraws
  private let talks: RandomDraws
  /// Parameter of the Gaussian copula for the class's rank correlation (Kruskal 1958).
  private let copula: Double

  init(_ kind: RequestClass, _ index: Int, of spec: WorkloadSpec) {
    (self.kind, self.index, self.spec) = (kind, index, spec)
    lengths = RandomDraws(seed: spec.seed, name: "lengths-\(kind.name)")
    talks = RandomDraws(seed: spec.seed, name: "sessions-\(kind.name)")
    // 2 · sin(π · ρ / 6), a twelfth of ρ turns.
    copula = min(max(2 * Elementary.sine(turns: kind.correlation / 12 + 1), -1), 1)
  }

  /// Picoseconds beyond which nothing is wanted.
  private var end: Int64 {
    let seconds = min(spec.duration ?? 8_640_000, 8_640_000)
    return Int64(seconds * 1e6) * 1_000_000
  }

  private var most: Int { spec.requests ?? WorkloadSpec.maximumRequests }

  func drafts() -> [Draft] {
    switch kind.source {
    case .open(let process): return kind.sessions.map { sessions(process, $0) } ?? singles(process)
    case .closed(let users, let think, let service): return closed(users, think, service)
    }
  }

  private func singles(_ process: ArrivalProcess) -> [Draft] {
    var clock = ArrivalSampler(process, seed: spec.seed, stream: "arrivals-\(kind.name)")
    var all: [Draft] = []
    while all.count < most {
      let arrival = clock.next()
      guard arrival < end else { break }
      let (prompt, output) = pair(all.count)
      all.append(draft(arrival, all.count, prompt, output, TraceDetails()))
    }
    return all
  }

  private func sessions(_ process: ArrivalProcess, _ talk: SessionSpec) -> [Draft] {
    var clock = ArrivalSampler(process, seed: spec.seed, stream: "arrivals-\(kind.name)")
    var all: [Draft] = []
    var session = 0
    // Later turns of known sessions come after the start of unknown ones: go on until the wanted number has
    // arrived before the next session begins.
    var checkpoint = most
    while all.count < WorkloadSpec.maximumRequests {
      let start = clock.next()
      guard start < end else { break }
      if all.count >= checkpoint {
        guard start < all.map(\.arrival).sorted()[most - 1] else { break }
        checkpoint = all.count + most / 4 + 1
      }
      let turns = max(talk.turns.tokens(at: talks.unit(session, 0)), 1)
      append(session, start, turns, talk.think, talk.service, talk.maximumPrompt, growing: true, to: &all)
      session += 1
    }
    return all
  }

  private func closed(_ users: Int, _ think: LengthDistribution, _ service: Double) -> [Draft] {
    var all: [Draft] = []
    let turns = spec.duration == nil ? (most + users - 1) / users : most
    for user in 0..<users where all.count < most {
      append(
        user, 0, turns, kind.sessions?.think ?? think, service,
        kind.sessions?.maximumPrompt ?? RowRules.maximumTokens, growing: kind.sessions != nil, to: &all)
    }
    return all
  }

  /// The turns of one session or user.
  private func append(
    _ session: Int, _ start: Int64, _ turns: Int, _ think: LengthDistribution, _ service: Double,
    _ maximumPrompt: Int, growing: Bool, to all: inout [Draft]
  ) {
    var arrival = start
    var context = 0
    for turn in 1...turns {
      let number = all.count
      let (message, output) = pair(number)
      let prompt = min(context, RowRules.maximumTokens - message) + message
      if turn > 1, prompt > maximumPrompt { return }
      var details = TraceDetails()
      details.session = session
      details.turn = turn
      if growing, turn > 1 { details.prefixTokens = context }
      if turn > 1 {
        let seconds = min(max(think.value(at: talks.unit(session, turn)), 0), 8_640_000)
        details.think = SimDuration(picoseconds: Int64(seconds * 1e6) * 1_000_000)
        let answered = arrival + Int64(service * 1e6) * 1_000_000
        guard answered < end, details.think!.picoseconds < end - answered else { return }
        arrival = answered + details.think!.picoseconds
      }
      all.append(draft(arrival, number, min(prompt, maximumPrompt), output, details))
      context = growing ? min(prompt, maximumPrompt) + output : 0
      if all.count >= most, spec.duration != nil { return }
    }
  }

  private func draft(
    _ arrival: Int64, _ number: Int, _ prompt: Int, _ output: Int, _ details: TraceDetails
  ) -> Draft {
    Draft(
      arrival: arrival, order: Draft.Order(kind: index, number: number), prompt: prompt, output: output,
      details: details)
  }

  /// Prompt and output of request `number`.
  private func pair(_ number: Int) -> (Int, Int) {
    let first = lengths.unit(number, 0)
    var second = lengths.unit(number, 1)
    if copula != 0 {
      let rest = max(1 - copula * copula, 0).squareRoot()
      let mixed = copula * Elementary.normalQuantile(first) + rest * Elementary.normalQuantile(second)
      second = min(max(Elementary.normalCDF(mixed), 0x1p-53), 1)
    }
    return (kind.prompt.tokens(at: first), kind.output.tokens(at: second))
  }
}
