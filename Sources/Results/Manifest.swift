import Sim

/// All that a run's result depends on; two runs with the same manifest have the same result.
///
/// The named parts are JSON because the types they describe live in targets that this one does not import.
/// Wall time, paths, `--step-by-step` and the database are no part of it: they do not change the result.
public struct Manifest: Hashable, Sendable {
  /// The version of the manifest's own form; part of its hash.
  public static let version = 2

  public var programVersion: String
  /// Nodes, GPUs, links, layout (TP, PP, instances), KV blocks of an instance.
  public var cluster: JSON
  public var model: JSON
  /// The hardware profile's name and every constant of it.
  public var hardware: JSON
  /// The policy's name in the catalogue.
  public var policy: String
  /// All options of the policy, defaults filled in.
  public var policyOptions: JSON
  public var engine: JSON
  /// How the managers' messages travel; `nil` by default, where they take no time.
  public var managers: JSON?
  /// The engine profile: its name, host times, gaps and kernels.
  public var engineProfile: JSON
  public var slo: JSON
  /// File name of the trace, without its folder: shown, and so part of the result.
  public var trace: String
  /// Digest of the trace's content and the transformations applied to it.
  public var workload: JSON
  /// 0 is the trace as it is; k > 0 is its k-th redraw.
  public var seed: Int
  /// What goes wrong; `nil` without faults, and then it is no part of the manifest.
  public var faults: JSON?

  public init(
    programVersion: String, cluster: JSON, model: JSON, hardware: JSON, policy: String, policyOptions: JSON,
    engine: EngineOptions, managers: ProtocolOptions = ProtocolOptions(), engineProfile: JSON, slo: SLO,
    trace: String, workload: JSON, seed: Int, faults: JSON? = nil
  ) {
    self.programVersion = programVersion
    self.cluster = cluster
    self.model = model
    self.hardware = hardware
    self.policy = policy
    self.policyOptions = policyOptions
    self.engine = JSON(engine)
    self.managers = managers == ProtocolOptions() ? nil : JSON(managers)
    self.engineProfile = engineProfile
    self.slo = ["ttft_s": .optional(slo.ttftSeconds), "tpot_s": .optional(slo.tpotSeconds)]
    self.trace = trace
    self.workload = workload
    self.seed = seed
    self.faults = faults
  }

  /// The manifest as one JSON object with sorted keys.
  public var json: JSON {
    var members: [JSON.Member] = [
      .init("manifest_version", .int(Self.version)),
      .init("program_version", .string(programVersion)),
      .init("cluster", cluster),
      .init("model", model),
      .init("hardware", hardware),
      .init("policy", .string(policy)),
      .init("policy_options", policyOptions),
      .init("engine", engine),
      .init("engine_profile", engineProfile),
      .init("slo", slo),
      .init("trace", .string(trace)),
      .init("workload", workload),
      .init("seed", .int(seed)),
    ]
    if let faults { members.append(.init("faults", faults)) }
    if let managers { members.append(.init("managers", managers)) }
    return JSON.object(members).canonical
  }

  /// SHA-256 of the canonical text, 64 hexadecimal digits.
  public var hash: String { json.digest }

  /// Which requests the run replays: requests are dropped of a trace only for a comparison.
  public var heat: HeatKind { workload["dropped"] == nil ? .whole : .common }
}

extension JSON {
  /// SHA-256 of the canonical text, 64 hexadecimal digits: equal values, equal digests.
  public var digest: String { SHA256.hex(canonical.text) }

  /// The engine's settings but for `stepByStep`, which does not change the result.
  public init(_ engine: EngineOptions) {
    self = [
      "kind": .string(engine.kind.rawValue),
      "max_num_seqs": .int(engine.maxNumSeqs),
      "max_num_batched_tokens": .int(engine.maxNumBatchedTokens),
      "max_model_len": engine.maxModelLen == .max ? .null : .int(engine.maxModelLen),
      "block_size": .int(engine.blockSize),
      "watermark_percent": .int(engine.watermarkPercent),
      "chunked_watermark_percent": .int(engine.chunkedWatermarkPercent),
      "append_check": .string(engine.appendCheck.rawValue),
      "padded": .bool(engine.padded),
      "over_budget": .string(engine.overBudget.rawValue),
      "reserve_isl": .bool(engine.reserveISL),
      "prefill_attention": .string(engine.prefillAttention.rawValue),
      "prefix_caching": .bool(engine.prefixCaching),
    ]
  }

  /// The settings of the managers' messages; times in picoseconds, `null` where they follow from others. Their luck is
  /// drawn from the run's seed.
  public init(_ managers: ProtocolOptions) {
    func time(_ span: SimDuration?) -> JSON { span.map { .int(Int($0.picoseconds)) } ?? .null }
    self = [
      "delay_ps": time(managers.delay), "jitter_ps": time(managers.jitter),
      "loss_permille": .int(managers.lossPermille), "duplicate_permille": .int(managers.duplicatePermille),
      "reorder_permille": .int(managers.reorderPermille),
      "unreliable_until_ps": .int(Int(managers.unreliableUntil.picoseconds)),
      "heartbeat_period_ps": time(managers.heartbeatPeriod),
      "full_heartbeat_every": .int(managers.fullHeartbeatEvery), "silence_ps": time(managers.silence),
      "try_timeout_ps": time(managers.tryTimeout), "try_retries": .int(managers.tryRetries),
      "reservation_expiry_ps": time(managers.reservationExpiry),
    ]
  }
}
