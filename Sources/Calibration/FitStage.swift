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
      layer, products(.bf16), products(.fp8), products(.fp8Block),
      FitStage(name: "KV write", constants: ["kv_write."]) {
        if case .kvWrite = $0.operation { true } else { false }
      },
      flashInfer, waves, noSplit, flashAttention3(fp8: false), flashAttention3(fp8: true),
      FitStage(
        name: "latent attention",
        constants: ["least", "base", "per_key", "per_sequence_head"].map { "decode_latent.\($0)_us" }
      ) { if case .latentDecode = $0.operation { true } else { false } },
      latentModule(isPrefill: false, fp8: false), latentModule(isPrefill: false, fp8: true),
      latentModule(isPrefill: true, fp8: false),
      prefill(fp8: false), prefill(fp8: true), experts(.bf16), experts(.fp8), experts(.fp8Block),
      expertsFP8BlockSpread,
    ] + groupSizes.map { allReduce(ranks: $0) } + groupSizes.map { customAllReduce(ranks: $0) }
    + [link(inNode: true), link(inNode: false), host(single: true), host(single: false)]

  private static let groupSizes = Array(2...16)

  private static func elementwise(_ kind: Operation.Elementwise, _ constants: String...) -> FitStage {
    FitStage(name: kind.rawValue, constants: constants) {
      if case .elementwise(kind, _) = $0.operation { true } else { false }
    }
  }

  private static let gemmConstants = [
    "floor_us", "bytes_per_s", "flops_per_s", "overlap_exponent", "fill_elements", "narrow_ratio",
    "spread_ratio", "idle_share",
  ]

  /// For data without a table of products; a table's constants come after it and stay.
  static let layer = FitStage(name: "layers' products", constants: gemmConstants.map { "gemm.\($0)" }) {
    if case .layer = $0.operation { true } else { false }
  }

  /// Products of a table, n and k of 512 and more. What is quantised is constant in 16 bits, what adds up in fp8.
  static func products(_ format: WeightFormat) -> FitStage {
    let section = format == .bf16 ? "gemm" : format == .fp8 ? "gemm_fp8" : "gemm_fp8_block"
    // No row of fp8 by block is short enough to tell the floor.
    let constants =
      format == .bf16
      ? gemmConstants
      : (format == .fp8 ? gemmConstants[..<5] : gemmConstants[1..<5]) + ["quantised_elements_per_s"]
    return FitStage(
      name: "products, \(format.rawValue)", constants: constants.map { "\(section).\($0)" }
    ) {
      if case .gemm(_, let inner, let columns, format) = $0.operation {
        min(inner, columns) >= 512 && $0.folds.model.hasSuffix(" columns")
      } else {
        false
      }
    }
  }

  static func experts(_ format: WeightFormat) -> FitStage {
    let section = format == .bf16 ? "experts" : format == .fp8 ? "experts_fp8" : "experts_fp8_block"
    return FitStage(
      name: "routed experts, \(format.rawValue)", constants: [section + "."]
    ) {
      if case .experts(let call, _, _, format) = $0.operation {
        format != .fp8Block || call.ranks == 1
      } else {
        false
      }
    }
  }

  /// vLLM runs Triton's kernel where a rank has a slice of every expert, FlashInfer's CUTLASS where it has whole ones.
  static let expertsFP8BlockSpread = FitStage(
    name: "routed experts, fp8-block, over ranks", constants: ["experts_fp8_block_spread."]
  ) { if case .experts(let call, _, _, .fp8Block) = $0.operation { call.ranks > 1 } else { false } }

  /// Keys and values above 8 MB, heads of 128 as presets have them.
  static func flashAttention3(fp8: Bool) -> FitStage {
    FitStage(
      name: "decode attention, FlashAttention-3" + (fp8 ? ", fp8" : ""),
      constants: [fp8 ? "decode_flash_attention_3_fp8." : "decode_flash_attention_3."]
    ) {
      if case .flashAttention3(let batch, fp8) = $0.operation {
        batch.bytes > 8e6 && batch.bytesPerHeadToken == (fp8 ? 2 : 4) * 128
          && HeadShape.ofPresets.contains(HeadShape(query: batch.queryHeads, kv: batch.kvHeads))
      } else {
        false
      }
    }
  }

  /// Modules with weights in 16 bits, so that the products around attention are the best known.
  static func latentModule(isPrefill: Bool, fp8: Bool) -> FitStage {
    FitStage(
      name: "latent module, " + (isPrefill ? "prefill" : "decode") + (fp8 ? ", fp8" : ""),
      constants: isPrefill
        ? ["floor_us", "per_token_query_head_us", "per_token_root_kv_head_us"].map { "prefill_latent.\($0)" }
        : ["base_us", "per_sequence_us", "per_sequence_head_us", "bytes_per_s", "flops_per_s"].map {
          (fp8 ? "decode_latent_fp8." : "decode_latent.") + $0
        }
    ) {
      if case .latentModule(let module) = $0.operation {
        module.isPrefill == isPrefill && module.fp8 == fp8 && module.format == .bf16
      } else {
        false
      }
    }
  }

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

  /// Prompts of 1,024 tokens and more, by vLLM's kernel, heads of 128.
  static func prefill(fp8: Bool) -> FitStage {
    FitStage(name: "prefill attention" + (fp8 ? ", fp8" : ""), constants: [fp8 ? "prefill_fp8." : "prefill."])
    {
      if case .prefill(_, _, let headDim, let new, _, _, fp8) = $0.operation {
        new >= 1_024 && headDim == 128 && !$0.group.hasPrefix("FlashInfer")
      } else {
        false
      }
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
