import Policies
import Sim
import Torture

/// A limit of the context does what it says and nothing else: a run under it is the run without it of the trace whose outputs
/// are cut by hand, and whose prompts that reach the limit are ones that no memory holds.
public enum ContextLaw {
  /// Returns what the scenario went through.
  /// - Throws: `LawViolation`.
  public static func check(engine: EngineKind, seed: UInt64) throws -> [Sight] {
    var random = SeededRandom(seed: seed ^ 0xC07E)
    var limited = ScenarioGenerator(engine: engine, lending: seed.isMultiple(of: 2)).scenario(seed: seed)
    let shortest = limited.requests.map(\.prompt).min()!
    let limit = max(random.pick(limited.requests).prompt, shortest) + random.integer(1...20)
    limited.configuration.engine.maxModelLen = limit

    var cut = limited
    cut.configuration.engine.maxModelLen = .max
    let memory = cut.configuration.blocksPerInstance * cut.configuration.topology.count
    for index in cut.requests.indices {
      let room = limit - cut.requests[index].prompt
      if room > 0 {
        cut.requests[index].output = min(cut.requests[index].output, room)
      } else {
        cut.requests[index].prompt = (memory + 1) * cut.configuration.engine.blockSize
      }
    }
    let found = try ScenarioRun(limited)
    let expected = try ScenarioRun(cut).results
    for (index, request) in limited.requests.enumerated() {
      let result = found.results[index]
      var wanted = expected[index]
      if request.prompt >= limit { wanted.rejected = .exceedsContext }
      guard result != wanted else { continue }
      throw LawViolation(
        law: "a limit of the context is the trace cut by hand", seed: seed,
        details:
          "limit \(limit), request \(index) of \(request.prompt) + \(request.output): expected \(wanted), found \(result)"
      )
    }
    let cuts = zip(limited.requests, found.results).count { request, result in
      result.rejected == nil && result.generated < request.output
    }
    guard found.summary.cutAtContext == cuts else {
      throw LawViolation(
        law: "every output that is cut is counted", seed: seed,
        details: "\(cuts) cut, \(found.summary.cutAtContext) counted")
    }
    return [
      Sight("a prompt beyond the context", floor: 60, limited.requests.contains { $0.prompt >= limit }),
      Sight("an output cut", floor: 60, cuts > 0),
    ]
  }
}
