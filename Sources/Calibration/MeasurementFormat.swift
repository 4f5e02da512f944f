import Sim

/// A known layout of a measurement file: its columns say what it holds, its name does not count.
public struct MeasurementFormat: Sendable {
  /// What reports call it.
  public let name: String
  /// Who writes it.
  public let origin: String
  /// The columns that make it this format.
  public let columns: [String]
  /// Adds the rows of a table to a file.
  let read: @Sendable (MeasurementTable, inout MeasurementFile) throws -> Void

  /// All formats with a header. A file is of the first whose columns it all has.
  public static let all = [
    vidurLinear, vidurAttention, products, contextAttention, latentModule, latentAttention, experts,
    collectives, customAllReduce,
    pointToPoint, hostOverheads,
  ]

  private static let vidurOperators = [
    "input_layernorm", "attn_pre_proj", "attn_rope", "attn_post_proj", "post_attention_layernorm",
    "mlp_up_proj",
    "mlp_act", "mlp_down_proj", "add", "emb",
  ]

  /// Kernel times of one layer on one rank; times are medians.
  static let vidurLinear = MeasurementFormat(
    name: "linear operators", origin: "microsoft/vidur `mlp.csv`",
    columns: [
      "n_head", "n_kv_head", "n_embd", "n_expanded_embd", "use_gated_mlp", "num_tokens",
      "num_tensor_parallel_workers",
    ] + vidurOperators.map { "time_stats.\($0).median" }
  ) { table, file in
    for row in table.rows {
      let tokens = try table.int("num_tokens", row)
      let tp = try table.int("num_tensor_parallel_workers", row)
      let model = try vidurModel(table, row, tp: tp)
      let folds = Measurement.FoldKeys(model: model.name, tp: tp, length: tokens)
      let heads = model.queryHeads / tp
      let kv = model.kvHeadsPerRank(tp: tp)
      let width = model.intermediate / tp
      let hidden = model.hidden
      func add(_ column: String, _ operation: Operation, group: String) throws -> Double {
        let (time, cell) = try table.milliseconds("time_stats.\(column).median", row)
        file.measurements.append(
          Measurement(operation: operation, group: group, microseconds: time, folds: folds, cells: [cell]))
        return time
      }
      func gemm(_ column: String, _ name: String, inner: Int, columns: Int) throws -> Double {
        try add(
          column, .gemm(rows: tokens, inner: inner, columns: columns), group: "\(model.name), \(name)")
      }
      func visit(_ column: String, _ kind: Operation.Elementwise, _ elements: Int) throws -> Double {
        try add(column, .elementwise(kind, elements: elements), group: model.name)
      }
      var layer = try gemm("attn_pre_proj", "qkv", inner: hidden, columns: (heads + 2 * kv) * model.headDim)
      layer += try gemm("attn_post_proj", "o", inner: heads * model.headDim, columns: hidden)
      layer += try gemm(
        "mlp_up_proj", "gate + up", inner: hidden, columns: (model.gatedFFN ? 2 : 1) * width)
      layer += try gemm("mlp_down_proj", "down", inner: width, columns: hidden)
      layer += try visit("input_layernorm", .rmsNorm, tokens * hidden)
      layer += try visit("post_attention_layernorm", .rmsNorm, tokens * hidden)
      layer += try visit("attn_rope", .rope, tokens * (heads + kv) * model.headDim)
      layer += try visit("mlp_act", .activation, tokens * width)
      layer += try 2 * visit("add", .residualAdd, tokens * hidden)
      _ = try visit("emb", .embedding, tokens * hidden)
      file.measurements.append(
        Measurement(
          operation: .layer(model, tp: tp, tokens: tokens), group: "\(model.name) TP\(tp)",
          microseconds: layer, folds: folds))
    }
  }

  /// The model of a Vidur row: a preset where the layer's dimensions are the same.
  private static func vidurModel(_ table: MeasurementTable, _ row: MeasurementTable.Row, tp: Int) throws
    -> ModelSpec
  {
    let (heads, kv) = (try table.int("n_head", row), try table.int("n_kv_head", row))
    let (hidden, wide) = (try table.int("n_embd", row), try table.int("n_expanded_embd", row))
    let gated = table.text("use_gated_mlp", row) == "True"
    guard gated || table.text("use_gated_mlp", row) == "False" else {
      throw MeasurementError(
        file: table.path, line: row.line,
        "use_gated_mlp is “\(table.text("use_gated_mlp", row))”, expected True or False")
    }
    let preset = ModelCatalog.all.first {
      $0.hidden == hidden && $0.queryHeads == heads && $0.kvHeads == kv && $0.intermediate == wide
        && $0.gatedFFN == gated && $0.experts == nil && $0.latent == nil
    }
    let model =
      preset
      ?? ModelSpec(
        name: "\(heads)/\(kv) heads, \(hidden) wide, \(wide) inner", layers: 32, hidden: hidden,
        queryHeads: heads, kvHeads: kv, headDim: hidden / heads, intermediate: wide, vocab: 32_000,
        maxPosition: 4_096, gatedFFN: gated)
    do { try InstanceShape(tp: tp).validate(for: model) } catch {
      throw MeasurementError(file: table.path, line: row.line, "\(error)")
    }
    return model
  }

  /// Prefill and decode attention and the KV write of one layer; times are medians.
  static let vidurAttention = MeasurementFormat(
    name: "attention", origin: "microsoft/vidur, NetX-lab/Frontier `attention.csv`",
    columns: [
      "n_embd", "n_q_head", "n_kv_head", "num_tensor_parallel_workers", "batch_size", "prefill_chunk_size",
      "kv_cache_size", "is_prefill", "attention_backend", "time_stats.attn_prefill.median",
      "time_stats.attn_decode.median", "time_stats.attn_kv_cache_save.median",
    ]
  ) { table, file in
    for row in table.rows {
      guard table.text("attention_backend", row).hasSuffix("FLASHINFER") else {
        file.left["another attention kernel than FlashInfer", default: 0] += 1
        continue
      }
      let tp = try table.int("num_tensor_parallel_workers", row)
      let heads = try table.int("n_q_head", row)
      let (q, kv) = (heads / tp, max(1, try table.int("n_kv_head", row) / tp))
      let headDim = try table.int("n_embd", row) / heads
      let sequences = try table.int("batch_size", row)
      let cached = try table.int("kv_cache_size", row, least: 0)
      let isPrefill = table.text("is_prefill", row) == "True"
      let new = isPrefill ? try table.int("prefill_chunk_size", row) : 1
      let shape = "FlashInfer \(q)/\(kv) heads"
      func add(_ column: String, _ operation: Operation, _ group: String, length: Int) throws {
        let (time, cell) = try table.milliseconds("time_stats.\(column).median", row)
        file.measurements.append(
          Measurement(
            operation: operation, group: group, microseconds: time,
            folds: .init(model: shape, tp: q, length: length), cells: [cell]))
      }
      if isPrefill {
        try add(
          "attn_prefill",
          .prefill(
            queryHeads: q, kvHeads: kv, headDim: headDim, new: new, cached: cached, sequences: sequences),
          shape + (new >= 1_024 ? ", ≥ 1K" : ", < 1K"), length: new)
      } else {
        let batch = DecodeBatch(
          sequences: sequences, context: cached, queryHeads: q, kvHeads: kv, bytesPerHeadToken: 4 * headDim)
        try add(
          "attn_decode", .decode(.flashInfer, batch), decodeGroup(batch), length: cached)
      }
      try add(
        "attn_kv_cache_save", .kvWrite(bytes: sequences * new * kv * 4 * headDim), shape,
        length: sequences * new)
    }
  }

  static func decodeGroup(_ batch: DecodeBatch) -> String {
    "\(batch.queryHeads)/\(batch.kvHeads) heads, KV " + (batch.bytes > 8e6 ? "> 8 MB" : "≤ 8 MB")
  }

  /// NCCL; message_size counts elements of 2 bytes.
  static let collectives = MeasurementFormat(
    name: "collectives", origin: "ai-dynamo/aiconfigurator",
    columns: ["op_name", "nccl_dtype", "num_gpus", "message_size", "latency"]
  ) { table, file in
    for row in table.rows {
      guard table.text("op_name", row) == "all_reduce" else {
        file.left["a collective that no cost uses (\(table.text("op_name", row)))", default: 0] += 1
        continue
      }
      guard is16Bit(table.text("nccl_dtype", row)) else {
        file.left["a dtype that has no constants", default: 0] += 1
        continue
      }
      try addAllReduce(table, row, isCustom: false, &file)
    }
  }

  /// vLLM's own all-reduce; message_size counts elements of 2 bytes.
  static let customAllReduce = MeasurementFormat(
    name: "vLLM's all-reduce", origin: "ai-dynamo/aiconfigurator",
    columns: ["allreduce_dtype", "num_gpus", "message_size", "latency", "backend"]
  ) { table, file in
    for row in table.rows {
      guard is16Bit(table.text("allreduce_dtype", row)) else {
        file.left["a dtype that has no constants", default: 0] += 1
        continue
      }
      guard table.text("backend", row) == "vllm_graph" else {
        file.left["launched eagerly: runs replay graphs", default: 0] += 1
        continue
      }
      guard try 2 * table.int("message_size", row) <= 4_194_304 else {
        file.left["above 4 MB, where NCCL takes over", default: 0] += 1
        continue
      }
      try addAllReduce(table, row, isCustom: true, &file)
    }
  }

  private static func addAllReduce(
    _ table: MeasurementTable, _ row: MeasurementTable.Row, isCustom: Bool, _ file: inout MeasurementFile
  ) throws {
    let bytes = try 2 * table.int("message_size", row)
    let ranks = try table.int("num_gpus", row, least: 2)
    let (time, cell) = try table.milliseconds("latency", row)
    file.measurements.append(
      Measurement(
        operation: .allReduce(bytes: bytes, ranks: ranks, isCustom: isCustom), group: "\(ranks) GPUs",
        microseconds: time, folds: .init(tp: ranks, length: bytes), cells: [cell]))
  }

  /// Send and receive of num_tokens · n_embd elements of 2 bytes, cut over the TP ranks; times are medians.
  static let pointToPoint = MeasurementFormat(
    name: "point to point", origin: "microsoft/vidur `send_recv.csv`",
    columns: ["n_embd", "num_tokens", "num_tensor_parallel_workers", "time_stats.send_recv.median"]
  ) { table, file in
    for row in table.rows {
      let wide = try table.int("n_embd", row)
      let bytes =
        try 2 * table.int("num_tokens", row, least: 0) * wide
        / table.int("num_tensor_parallel_workers", row)
      let (time, cell) = try table.milliseconds("time_stats.send_recv.median", row)
      file.measurements.append(
        Measurement(
          operation: .pointToPoint(bytes: bytes, inNode: true), group: "in node", microseconds: time,
          folds: .init(model: "\(wide) wide", length: bytes), cells: [cell]))
    }
  }

  /// CPU time of an iteration: scheduling, preparing, sampling, post-processing, and Ray's messages.
  static let hostOverheads = MeasurementFormat(
    name: "host overheads", origin: "microsoft/vidur `cpu_overheads.csv`",
    columns: [
      "schedule_mean", "prepare_inputs_e2e_mean", "sampler_e2e_mean", "process_model_outputs_mean",
      "ray_comm_time_mean", "batch_size", "tensor_parallel_degree", "model_name",
    ]
  ) { table, file in
    for row in table.rows {
      let gpus = try table.int("tensor_parallel_degree", row)
      let sequences = try table.int("batch_size", row)
      let parts = [
        "schedule_mean", "prepare_inputs_e2e_mean", "sampler_e2e_mean", "process_model_outputs_mean",
        "ray_comm_time_mean",
      ]
      let time = try parts.reduce(0) { try $0 + table.number($1, row) }
      guard time > 0 else { throw MeasurementError(file: table.path, line: row.line, "all times are 0") }
      file.measurements.append(
        Measurement(
          operation: .host(sequences: sequences, gpus: gpus), group: "TP\(gpus)", microseconds: time * 1e3,
          folds: .init(model: String(table.text("model_name", row)), tp: gpus, length: sequences),
          cells: parts.map { table.cell($0, row) }))
    }
  }
}
