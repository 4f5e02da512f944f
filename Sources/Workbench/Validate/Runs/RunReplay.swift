import Policies
import Sim
import Synchronization

/// Replays measured runs in the simulator.
final class RunReplay: Sendable {
  /// What a run is predicted to take.
  struct Prediction: Sendable {
    var subject: RunSubject
    var seconds: [RunMetric: Double]
    /// Time to first token of a prompt of the same length that has the engine for itself.
    var loneTTFT: Double?
  }

  private struct CostKey: Hashable {
    var model: ModelSpec
    var hardware: String
    var shape: InstanceShape
    var profile: EngineProfile
  }

  private let costs = Mutex<[CostKey: InstanceCosts]>([:])
  private let forced: EngineProfile?

  init(profile: EngineProfile?) { forced = profile }

  /// Throws `RunSubject.Missing` with the reason where it cannot be replayed.
  func predict(_ run: MeasuredRun) throws -> Prediction {
    let subject = try RunSubject(run, forced: forced)
    var configuration = try configuration(subject, run)
    configuration.engine.prefixCaching = run.load.prefixUnit > 0
    var alone: (ttft: Double, e2e: SimDuration)?
    if case .closedLoop(_, let lengths, _) = run.load {
      let request = TraceRequest(arrival: .zero, prompt: lengths.prompt, output: lengths.output)
      let record = try replay(ArraySource([request]), configuration).records[0]
      alone = record.ttft.map { ($0.seconds, record.e2e) }
    }
    let log = try replay(run.load.source(alone: alone?.e2e ?? .zero), configuration)
    guard log.records.allSatisfy(\.outcome.isServed) else {
      throw RunSubject.Missing(
        reason: "a request does not fit the KV cache of \(subject.model.name) on this many GPUs")
    }
    return Prediction(subject: subject, seconds: log.seconds, loneTTFT: alone?.ttft)
  }

  private func replay<Source: RequestSource>(_ source: Source, _ configuration: SimulationConfiguration)
    throws
    -> RequestLog
  {
    let log = RequestLog()
    _ = try Simulation(configuration, policy: VLLMMultiple(router: .roundRobin), observer: log).run(source)
    return log
  }

  private func configuration(_ subject: RunSubject, _ run: MeasuredRun) throws -> SimulationConfiguration {
    var options = subject.options(run)
    let capacity: KVCapacity
    do {
      capacity = try KVCapacity(
        model: subject.model, hardware: subject.hardware, shape: subject.shape,
        settings: KVMemorySettings(
          maxBatchedTokens: options.maxNumBatchedTokens,
          maxSequences: min(options.maxNumSeqs, options.maxNumBatchedTokens),
          accounting: subject.release.accounting(version: run.version)))
    } catch is ClusterError {
      throw RunSubject.Missing(
        reason: "\(subject.model.name) does not fit TP\(run.tp) of \(subject.hardware.name)")
    }
    if subject.release.reservesOutput, let tokens = run.load.meanTokens {
      // Of requests of one length as many run as fit with all of their output.
      let each = (tokens + options.blockSize - 1) / options.blockSize
      options.maxNumSeqs = max(1, min(options.maxNumSeqs, capacity.blocks / each))
    }
    let link = subject.hardware.inNodeLink.costs
    return SimulationConfiguration(
      topology: InstanceTopology(
        nodeOfInstance: [0], withinNode: link, acrossNodes: link, gpus: run.tp * run.pp),
      costs: try costs(subject), blocksPerInstance: capacity.blocks, engine: options)
  }

  private func costs(_ subject: RunSubject) throws -> InstanceCosts {
    let key = CostKey(
      model: subject.model, hardware: subject.hardware.name, shape: subject.shape, profile: subject.profile)
    if let known = costs.withLock({ $0[key] }) { return known }
    var made = try InstanceCosts(
      model: subject.model, hardware: subject.hardware, shape: subject.shape,
      wiring: .inOneNode(subject.hardware), engine: subject.profile)
    made.tabulate(tokens: 512, samples: 512)
    costs.withLock { [made] in $0[key] = made }
    return made
  }
}

/// The requests of a run as they end.
private final class RequestLog: RunObserver {
  private(set) var records: [RequestRecord] = []

  func requestEnded(_ record: RequestRecord) { records.append(record) }

  /// The metrics, means over requests as clients take them.
  var seconds: [RunMetric: Double] {
    func mean(_ values: [Double]) -> Double? {
      values.isEmpty ? nil : values.reduce(0, +) / Double(values.count)
    }
    let start = records.map(\.arrival).min() ?? .zero
    var found: [RunMetric: Double] = [:]
    found[.duration] = records.map { ($0.ended - start).seconds }.max()
    found[.e2e] = mean(records.map(\.e2e.seconds))
    found[.ttft] = mean(records.compactMap { $0.ttft?.seconds })
    found[.tpot] = mean(records.compactMap(\.tpotSeconds))
    return found
  }
}
