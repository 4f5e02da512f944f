import Sim

/// The kernel tables of ai-dynamo/aiconfigurator.
extension MeasurementFormat {
  static func is16Bit(_ dtype: Substring) -> Bool {
    ["bfloat16", "float16", "half", "fp16", "bf16"].contains(String(dtype))
  }

  private static func isFP8(_ dtype: Substring) -> Bool { ["fp8", "fp8_e4m3"].contains(String(dtype)) }

  /// How weights of that dtype are stored; `nil` for what no cost has.
  private static func format(_ dtype: Substring) -> WeightFormat? {
    is16Bit(dtype) ? .bf16 : dtype == "fp8" ? .fp8 : dtype == "fp8_block" ? .fp8Block : nil
  }

  /// The kernel that a row names, where a table has that column: without it, an A100's.
  private static func source(_ table: MeasurementTable, _ row: MeasurementTable.Row) -> Substring {
    table.has(["kernel_source"]) ? table.text("kernel_source", row) : ""
  }

  /// Times below this are launches, where a table was not taken in CUDA graphs, µs: fp8_block products show 55 to 105,
  /// latent attention of vLLM 0.14 on Hopper 100 to 190.
  private static let launches = (products: 110.0, latent: 300.0)

  /// Matrix products.
  static let products = MeasurementFormat(
    name: "product tables", origin: "ai-dynamo/aiconfigurator",
    columns: ["op_name", "gemm_dtype", "m", "n", "k", "latency"]
  ) { table, file in
    for row in table.rows {
      guard let format = format(table.text("gemm_dtype", row)) else {
        file.left["a dtype that has no constants", default: 0] += 1
        continue
      }
      let (m, n, k) = (try table.int("m", row), try table.int("n", row), try table.int("k", row))
      let (time, cell) = try table.milliseconds("latency", row)
      if format == .fp8Block, time < launches.products {
        file.left["fp8_block below 110 µs: launched without a graph, which hides the kernel", default: 0] += 1
        continue
      }
      let rows = m <= 16 ? "≤ 16" : m <= 128 ? "17 to 128" : m <= 512 ? "129 to 512" : "> 512"
      file.measurements.append(
        Measurement(
          operation: .gemm(rows: m, inner: k, columns: n, format),
          group: "\(rows) rows" + (min(n, k) < 512 ? ", n or k < 512" : ""), microseconds: time,
          folds: .init(model: "\(n) columns", tp: k, length: m), cells: [cell]))
    }
  }

  /// Attention of vLLM's FlashAttention-2 and 3; the context of a decode step is isl + step.
  static let contextAttention = MeasurementFormat(
    name: "attention tables", origin: "ai-dynamo/aiconfigurator",
    columns: [
      "op_name", "batch_size", "isl", "num_heads", "num_key_value_heads", "head_dim", "beam_width",
      "attn_dtype", "kv_cache_dtype", "step", "latency",
    ]
  ) { table, file in
    let hasWindow = table.has(["window_size"])
    for row in table.rows {
      if let why = try unread(table, row, hasWindow: hasWindow) {
        file.left[why, default: 0] += 1
        continue
      }
      let fp8 = isFP8(table.text("kv_cache_dtype", row))
      let (q, kv) = (try table.int("num_heads", row), try table.int("num_key_value_heads", row))
      let headDim = try table.int("head_dim", row)
      let sequences = try table.int("batch_size", row)
      let (isl, step) = (try table.int("isl", row), try table.int("step", row, least: 0))
      let (time, cell) = try table.milliseconds("latency", row)
      guard q.isMultiple(of: kv) else {
        throw MeasurementError(file: table.path, line: row.line, "\(q) heads cannot share \(kv) KV heads")
      }
      let operation: Operation
      var group: String
      let length: Int
      switch table.text("op_name", row) {
      case "context_attention":
        operation = .prefill(
          queryHeads: q, kvHeads: kv, headDim: headDim, new: isl, cached: step, sequences: sequences, fp8: fp8
        )
        group = "\(q)/\(kv) heads, " + (isl >= 1_024 ? "≥ 1K" : "< 1K")
        length = isl
      case "generation_attention":
        let batch = DecodeBatch(
          sequences: sequences, context: isl + step, queryHeads: q, kvHeads: kv,
          bytesPerHeadToken: (fp8 ? 2 : 4) * headDim)
        // vLLM's FlashAttention-2 packs the query heads of a group; without a group it does not split.
        operation =
          source(table, row).hasSuffix("fa3")
          ? .flashAttention3(batch, fp8: fp8) : .decode(q == kv ? .unsplit : .flashAttention, batch)
        group = decodeGroup(batch)
        length = isl + step
      case let other:
        throw MeasurementError(
          file: table.path, line: row.line,
          "op_name is “\(other)”, expected context_attention or generation_attention")
      }
      if headDim != 128 { group = "heads of \(headDim), " + group.drop { $0 != "," }.dropFirst(2) }
      file.measurements.append(
        Measurement(
          operation: operation, group: group, microseconds: time,
          folds: .init(model: "\(q / kv) per KV head", tp: q, length: length), cells: [cell]))
    }
  }

  /// Why a row of attention has no cost, or `nil`.
  private static func unread(_ table: MeasurementTable, _ row: MeasurementTable.Row, hasWindow: Bool) throws
    -> String?
  {
    let cache = table.text("kv_cache_dtype", row)
    guard is16Bit(table.text("attn_dtype", row)), is16Bit(cache) || isFP8(cache) else {
      return "a dtype that has no constants"
    }
    if table.text("beam_width", row) != "1" { return "beam search" }
    if source(table, row).hasSuffix("fa4") { return "FlashAttention-4, which has no constants" }
    if hasWindow, try table.int("window_size", row, least: 0) > 0 {
      return "a sliding window, which no cost of full attention may be scored on"
    }
    return nil
  }

  /// Attention on a latent alone.
  static let latentAttention = MeasurementFormat(
    name: "latent attention", origin: "ai-dynamo/aiconfigurator",
    columns: [
      "op_name", "mla_dtype", "kv_cache_dtype", "num_heads", "batch_size", "isl", "step", "latency",
    ]
  ) { table, file in
    for row in table.rows {
      guard is16Bit(table.text("mla_dtype", row)), is16Bit(table.text("kv_cache_dtype", row)) else {
        file.left["a dtype that has no constants", default: 0] += 1
        continue
      }
      guard table.text("op_name", row) == "generation_mla" else {
        file.left["latent prefill alone, which has no constants: modules have", default: 0] += 1
        continue
      }
      let heads = try table.int("num_heads", row)
      let context = try table.int("isl", row) + table.int("step", row, least: 0)
      let (time, cell) = try table.milliseconds("latency", row)
      if source(table, row).hasPrefix("vllm_flash"), time < launches.latent {
        file.left[
          "latent decode below 300 µs: launched without a graph, which hides the kernel", default: 0] += 1
        continue
      }
      file.measurements.append(
        Measurement(
          operation: .latentDecode(
            sequences: try table.int("batch_size", row), context: context, heads: heads),
          group: "\(heads) heads", microseconds: time,
          folds: .init(model: "MLA", tp: heads, length: context), cells: [cell]))
    }
  }

  /// Whole attention modules of DeepSeek-V3; the context of a decode step is step.
  static let latentModule = MeasurementFormat(
    name: "latent modules", origin: "ai-dynamo/aiconfigurator",
    columns: [
      "op_name", "architecture", "mla_dtype", "kv_cache_dtype", "gemm_type", "num_heads", "batch_size", "isl",
      "step", "latency",
    ]
  ) { table, file in
    for row in table.rows {
      let cache = table.text("kv_cache_dtype", row)
      guard is16Bit(table.text("mla_dtype", row)), is16Bit(cache) || isFP8(cache),
        let format = format(table.text("gemm_type", row))
      else {
        file.left["a dtype that has no constants", default: 0] += 1
        continue
      }
      guard table.text("architecture", row) == "DeepseekV3ForCausalLM" else {
        file.left["another model than DeepSeek-V3", default: 0] += 1
        continue
      }
      let isPrefill = table.text("op_name", row) == "mla_context_module"
      guard isPrefill || table.text("op_name", row) == "mla_generation_module" else {
        throw MeasurementError(
          file: table.path, line: row.line,
          "op_name is “\(table.text("op_name", row))”, expected mla_context_module or mla_generation_module")
      }
      let new = isPrefill ? try table.int("isl", row) : 1
      let context = isPrefill ? new : try table.int("step", row)
      let heads = try table.int("num_heads", row)
      let (time, cell) = try table.milliseconds("latency", row)
      let module = LatentModule(
        heads: heads, sequences: try table.int("batch_size", row), new: new, context: context,
        isPrefill: isPrefill, fp8: isFP8(cache), format: format)
      file.measurements.append(
        Measurement(
          operation: .latentModule(module), group: "\(heads) heads", microseconds: time,
          folds: .init(model: "MLA", tp: heads, length: context), cells: [cell]))
    }
  }

  /// Routed experts.
  static let experts = MeasurementFormat(
    name: "routed experts", origin: "ai-dynamo/aiconfigurator",
    columns: [
      "moe_dtype", "num_tokens", "hidden_size", "inter_size", "topk", "num_experts", "moe_tp_size",
      "moe_ep_size", "distribution", "latency",
    ]
  ) { table, file in
    var loads: [ExpertLoadKey: ExpertLoad] = [:]
    for row in table.rows {
      guard let format = format(table.text("moe_dtype", row)) else {
        file.left["a dtype that has no constants", default: 0] += 1
        continue
      }
      let distribution = table.text("distribution", row)
      guard distribution.hasPrefix("power_law_"), let skew = Double(distribution.dropFirst(10)), skew > 0,
        skew != 1
      else {
        file.left["a distribution of tokens that is no power law", default: 0] += 1
        continue
      }
      let (inner, tp) = (try table.int("inter_size", row), try table.int("moe_tp_size", row))
      let (count, ranks) = (try table.int("num_experts", row), try table.int("moe_ep_size", row))
      guard inner.isMultiple(of: tp), count.isMultiple(of: ranks) else {
        throw MeasurementError(
          file: table.path, line: row.line, "TP \(tp) or EP \(ranks) cannot cut \(count) experts of \(inner)")
      }
      let call = MoECall(
        tokens: try table.int("num_tokens", row), hidden: try table.int("hidden_size", row),
        intermediate: inner / tp, experts: count, perToken: try table.int("topk", row), ranks: ranks)
      let (time, cell) = try table.milliseconds("latency", row)
      if let why = unphysical(call, inner: inner) {
        file.left[why, default: 0] += 1
        continue
      }
      let key = ExpertLoadKey(call: call, skew: skew)
      let load = loads[key] ?? .powerLaw(skew: skew, call: call)
      loads[key] = load
      let model = "\(call.perToken) of \(count) × \(inner), \(call.hidden) wide"
      file.measurements.append(
        Measurement(
          operation: .experts(call, load: load, skew: skew, format), group: model, microseconds: time,
          folds: .init(model: model, tp: tp * ranks, length: call.tokens), cells: [cell]))
    }
  }

  /// What the load of experts depends on.
  private struct ExpertLoadKey: Hashable {
    var numbers: [Int]
    var skew: Double

    init(call: MoECall, skew: Double) {
      numbers = [call.tokens, call.experts, call.perToken, call.ranks]
      self.skew = skew
    }
  }

  /// Why a row of experts says nothing of the form's constants, or `nil`.
  private static func unphysical(_ call: MoECall, inner: Int) -> String? {
    if call.perToken == 22 || (call.hidden, inner) == (2_688, 1_856) {
      return "experts without a gate, of two matrices (Nemotron)"
    }
    if call.perToken == 1 { return "one expert per token, of which a power law leaves many idle" }
    if call.intermediate < 64 { return "slices of experts narrower than 64 columns, a tile" }
    if call.ranks > 1, call.tokens * call.perToken < call.experts {
      return "fewer rows than experts over several ranks: which rank got how many was not recorded"
    }
    return nil
  }
}
