import Foundation
import Sim

/// Constants that are fitted together, and the measurements that they are fitted to.
///
/// The constants' logarithms are moved until the mean of |log(predicted / measured)| is least.
public struct FitStage: Sendable {
  /// What reports call it.
  public let name: String
  /// The constants' names in a hardware file, or what they begin with.
  let constants: [String]
  /// Whether a measurement belongs to the fit.
  let takes: @Sendable (Measurement) -> Bool

  /// All stages, in the order in which they run: the layer's fit needs its elementwise kernels.
  public static let all: [FitStage] =
    [
      elementwise(.rmsNorm, "rms_norm."), elementwise(.residualAdd, "residual_add."),
      elementwise(.rope, "rope.base_us", "rope.per_element_us"),
      elementwise(.activation, "activation.base_us", "activation.per_element_us"),
      elementwise(.embedding, "embedding.base_us", "embedding.per_element_us"),
      layer,
      FitStage(name: "KV write", constants: ["kv_write."]) {
        if case .kvWrite = $0.operation { true } else { false }
      },
      flashInfer, waves, noSplit,
      FitStage(name: "latent attention", constants: ["decode_latent."]) {
        if case .latentDecode = $0.operation { true } else { false }
      },
      prefill,
      FitStage(name: "routed experts", constants: ["experts."]) {
        if case .experts = $0.operation { true } else { false }
      },
    ] + groupSizes.map { allReduce(ranks: $0) } + groupSizes.map { customAllReduce(ranks: $0) }
    + [link(inNode: true), link(inNode: false), host(single: true), host(single: false)]

  private static let groupSizes = Array(2...16)

  private static func elementwise(_ kind: Operation.Elementwise, _ constants: String...) -> FitStage {
    FitStage(name: kind.rawValue, constants: constants) {
      if case .elementwise(kind, _) = $0.operation { true } else { false }
    }
  }

  static let layer = FitStage(
    name: "matrix products",
    constants: ["gemm.floor_us", "gemm.bytes_per_s", "gemm.flops_per_s", "gemm.overlap_exponent"]
  ) { if case .layer = $0.operation { true } else { false } }

  static let flashInfer = FitStage(name: "decode attention, FlashInfer", constants: ["decode_flashinfer."]) {
    if case .decode(.flashInfer, let batch) = $0.operation { batch.bytes > 8e6 } else { false }
  }

  /// 8 query heads per KV head, at least 2 KV heads: Llama-2-70B and its like on 1, 2 and 4 GPUs.
  static let waves = FitStage(
    name: "decode attention, FlashAttention-2", constants: ["decode_flash_attention."]
  ) {
    if case .decode(.flashAttention, let batch) = $0.operation {
      batch.bytes > 8e6 && batch.queryHeads == 8 * batch.kvHeads && batch.kvHeads >= 2
    } else {
      false
    }
  }

  static let noSplit = FitStage(name: "decode attention, no split", constants: ["decode_no_split."]) {
    if case .decode(.unsplit, let batch) = $0.operation { batch.bytes > 8e6 } else { false }
  }

  /// Prompts of 1,024 tokens and more, by vLLM's kernel.
  static let prefill = FitStage(name: "prefill attention", constants: ["prefill."]) {
    if case .prefill(_, _, _, let new, _, _) = $0.operation {
      new >= 1_024 && !$0.group.hasPrefix("FlashInfer")
    } else {
      false
    }
  }

  private static func allReduce(ranks: Int) -> FitStage {
    FitStage(name: "all-reduce of \(ranks)", constants: ["all_reduce.ranks_\(ranks)."]) {
      if case .allReduce(_, ranks, false) = $0.operation { true } else { false }
    }
  }

  private static func customAllReduce(ranks: Int) -> FitStage {
    FitStage(name: "vLLM's all-reduce of \(ranks)", constants: ["custom_all_reduce.ranks_\(ranks)."]) {
      if case .allReduce(_, ranks, true) = $0.operation { true } else { false }
    }
  }

  private static func link(inNode: Bool) -> FitStage {
    let section = inNode ? "in_node_link" : "inter_node_link"
    return FitStage(
      name: inNode ? "link in a node" : "link between nodes",
      constants: ["\(section).latency_us", "\(section).bytes_per_s"]
    ) { if case .pointToPoint(_, inNode) = $0.operation { true } else { false } }
  }

  private static func host(single: Bool) -> FitStage {
    let section = "engine.host_" + (single ? "single" : "sharded")
    return FitStage(
      name: single ? "host time, one GPU" : "host time, several GPUs",
      constants: ["\(section)_us", "\(section)_per_sequence_us"]
    ) { if case .host(_, let gpus) = $0.operation { (gpus == 1) == single } else { false } }
  }

  /// The stage's constants in profiles with the group sizes of `spec`.
  func fields(of spec: HardwareSpec) -> [HardwareField] {
    HardwareField.constants(of: spec).filter { field in
      constants.contains { field.name == $0 || ($0.hasSuffix(".") && field.name.hasPrefix($0)) }
    }
  }
}

/// Measurements of one stage with what depends on their shapes worked out.
struct PreparedStage {
  let stage: FitStage
  let measurements: [Measurement]
  private let predictions: [@Sendable (HardwareSpec) -> Double]
  private let measured: [Double]

  /// Those of `measurements` that the stage takes.
  init(_ stage: FitStage, _ measurements: [Measurement]) {
    self.stage = stage
    self.measurements = measurements.filter(stage.takes)
    predictions = self.measurements.map { $0.operation.explain() }
    measured = self.measurements.map(\.microseconds)
  }

  /// Signed relative errors of the measurements at `indices`.
  func errors(_ spec: HardwareSpec, at indices: [Int]) -> [Double] {
    indices.map { predictions[$0](spec) / measured[$0] - 1 }
  }

  /// log(predicted / measured) of the measurements at `indices`.
  func logs(_ spec: HardwareSpec, at indices: [Int]) -> [Double] {
    indices.map { log(max(predictions[$0](spec), 1e-9) / measured[$0]) }
  }

  private func loss(_ spec: HardwareSpec, at indices: [Int]) -> Double {
    var sum = 0.0
    for index in indices { sum += abs(log(max(predictions[index](spec), 1e-9) / measured[index])) }
    return sum / Double(max(1, indices.count))
  }

  /// `spec` with the stage's constants fitted to the measurements at `indices`.
  ///
  /// Starts at the constants of `spec`, and where `thorough` also at others: rates and times scaled by the median
  /// ratio of measured and predicted times, and steps away from the best so far.
  func fit(_ spec: HardwareSpec, at indices: [Int], thorough: Bool) -> HardwareSpec {
    let fields = stage.fields(of: spec)
    guard !fields.isEmpty, !indices.isEmpty else { return spec }
    let start = fields.map { Self.logarithm($0, in: spec) }
    let search = NelderMead { point in
      // Beyond a factor of e^12 nothing is physical: a wall keeps the search in.
      zip(point, start).contains { abs($0 - $1) > 12 }
        ? .infinity : loss(Self.with(fields, point, in: spec), at: indices)
    }
    var best = search.minimum(from: start)
    if thorough {
      var value = search.cost(best)
      let ratios = logs(spec, at: indices).sorted()
      let shift = -ratios[ratios.count / 2]
      let starts = [
        Self.moved(fields, start, times: shift, rates: -shift),
        Self.moved(fields, start, times: 0, rates: -shift),
        Self.moved(fields, start, times: -shift, rates: -shift),
        best.enumerated().map { $1 + ($0.isMultiple(of: 2) ? 0.3 : -0.3) },
        best.enumerated().map { $1 + ($0.isMultiple(of: 2) ? -0.5 : 0.4) },
      ]
      for other in starts {
        let found = search.minimum(from: other, step: 0.3)
        let foundValue = search.cost(found)
        if foundValue < value { (best, value) = (found, foundValue) }
      }
    }
    return Self.with(fields, best, in: spec)
  }

  /// `logarithms` with those of times and of rates moved.
  private static func moved(_ fields: [HardwareField], _ logarithms: [Double], times: Double, rates: Double)
    -> [Double]
  {
    zip(fields, logarithms).map { field, x in field.isTime ? x + times : field.isExponent ? x : x + rates }
  }

  /// The logarithm of a constant; of what it is on an A100 where `spec` has none.
  static func logarithm(_ field: HardwareField, in spec: HardwareSpec) -> Double {
    guard case .number(_, let get, _) = field.value else { return 0 }
    let value = get(spec)
    if value > 0, value.isFinite { return log(value) }
    let usual = HardwareField.constants(of: HardwareCatalog.a100Measured).first { $0.name == field.name }
    if case .number(_, let get, _)? = usual?.value, get(HardwareCatalog.a100Measured) > 0 {
      return log(get(HardwareCatalog.a100Measured))
    }
    return field.isTime ? 0 : log(1e12)
  }

  /// `spec` with the logarithms of `fields` set.
  static func with(_ fields: [HardwareField], _ logarithms: [Double], in spec: HardwareSpec) -> HardwareSpec {
    var spec = spec
    for (field, logarithm) in zip(fields, logarithms) {
      if case .number(_, _, let set) = field.value { set(&spec, exp(logarithm)) }
    }
    return spec
  }
}

extension HardwareField {
  /// Whether the number is a time.
  var isTime: Bool { if case .number(.time, _, _) = value { true } else { false } }
  /// Whether the number is an exponent.
  var isExponent: Bool { name.hasSuffix("exponent") }
}
