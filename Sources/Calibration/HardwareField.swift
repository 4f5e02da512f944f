import Sim

/// One entry of a hardware profile: its place in a hardware file, and how to read and change it.
public struct HardwareField: Sendable {
  /// Where it stands: keys from the outermost in, joined by dots; the last one ends with its unit.
  public let name: String
  /// What it holds.
  public let value: Value
  /// What a file says that was written before there was this key; `nil` where the key must be there.
  var whenAbsent: (@Sendable (inout HardwareSpec) -> Void)?

  /// What a field holds, and how it is reached.
  public enum Value: Sendable {
    /// A time ≥ 0, or a rate or an exponent > 0.
    case number(
      Kind, get: @Sendable (HardwareSpec) -> Double, set: @Sendable (inout HardwareSpec, Double) -> Void)
    /// A whole number ≥ `least`.
    case integer(
      least: Int, get: @Sendable (HardwareSpec) -> Int, set: @Sendable (inout HardwareSpec, Int) -> Void)
    /// A line of text, one of `choices` unless that is empty.
    case text(
      choices: [String], get: @Sendable (HardwareSpec) -> String,
      set: @Sendable (inout HardwareSpec, String) -> Void)
    /// true or false.
    case flag(get: @Sendable (HardwareSpec) -> Bool, set: @Sendable (inout HardwareSpec, Bool) -> Void)
  }

  /// What a number means, which decides the values that it can take.
  public enum Kind: Sendable, Hashable {
    /// µs, finite; 0 where a kernel has no such part.
    case time
    /// Bytes or flops per second, or an exponent: above 0, infinite where it sets no bound.
    case rate
  }

  /// The same for a key that came later: a file without it says what `set` sets.
  func orElse(_ set: @escaping @Sendable (inout HardwareSpec) -> Void) -> HardwareField {
    var field = self
    field.whenAbsent = set
    return field
  }

  /// A number reached by a key path.
  private static func number(
    _ name: String, _ kind: Kind, _ path: WritableKeyPath<HardwareSpec, Double> & Sendable
  )
    -> HardwareField
  {
    HardwareField(
      name: name, value: .number(kind, get: { $0[keyPath: path] }, set: { $0[keyPath: path] = $1 }))
  }

  /// A whole number reached by a key path.
  private static func integer(
    _ name: String, least: Int, _ path: WritableKeyPath<HardwareSpec, Int> & Sendable
  )
    -> HardwareField
  {
    HardwareField(
      name: name, value: .integer(least: least, get: { $0[keyPath: path] }, set: { $0[keyPath: path] = $1 }))
  }

  /// A text reached by a key path.
  private static func text(_ name: String, _ path: WritableKeyPath<HardwareSpec, String> & Sendable)
    -> HardwareField
  {
    HardwareField(
      name: name, value: .text(choices: [], get: { $0[keyPath: path] }, set: { $0[keyPath: path] = $1 }))
  }

  /// Every field of a profile with the group sizes of `spec`, in the order of a hardware file.
  public static func all(of spec: HardwareSpec) -> [HardwareField] {
    general + gemm("gemm", spec.gemm.tiling, \.gemm) + kernels + attention + experts("experts", \.experts)
      + optional.filter { $0.isThere(spec) }.flatMap { $0.fields(spec) } + allReduce(of: spec)
      + customAllReduce(of: spec)
      + link("in_node_link", \.inNodeLink) + link("inter_node_link", \.interNodeLink) + engine + measured
  }

  /// The numbers among the fields of `spec`.
  public static func constants(of spec: HardwareSpec) -> [HardwareField] {
    all(of: spec).filter { if case .number = $0.value { true } else { false } }
  }

  private static let general = [
    text("name", \.name), text("summary", \.summary), integer("memory_bytes", least: 1, \.memoryBytes),
  ]

  private static let kernels = [
    number("rms_norm.least_us", .time, \.rmsNorm.least),
    number("rms_norm.base_us", .time, \.rmsNorm.base),
    number("rms_norm.per_element_us", .time, \.rmsNorm.perElement),
    number("residual_add.least_us", .time, \.residualAdd.least),
    number("residual_add.base_us", .time, \.residualAdd.base),
    number("residual_add.per_element_us", .time, \.residualAdd.perElement),
    number("rope.least_us", .time, \.rope.least),
    number("rope.base_us", .time, \.rope.base),
    number("rope.per_element_us", .time, \.rope.perElement),
    number("activation.least_us", .time, \.activation.least),
    number("activation.base_us", .time, \.activation.base),
    number("activation.per_element_us", .time, \.activation.perElement),
    number("embedding.least_us", .time, \.embedding.least),
    number("embedding.base_us", .time, \.embedding.base),
    number("embedding.per_element_us", .time, \.embedding.perElement),
    number("kv_write.floor_us", .time, \.kvWrite.alpha),
    number("kv_write.bytes_per_s", .rate, \.kvWrite.bytesPerSecond),
  ]

  private static let attention =
    [
      number("decode_flashinfer.floor_us", .time, \.balancedDecode.alpha),
      number("decode_flashinfer.bytes_per_s", .rate, \.balancedDecode.bytesPerSecond),
      number("decode_flash_attention.floor_us", .time, \.waveDecode.floor),
      number("decode_flash_attention.bytes_per_s", .rate, \.waveDecode.bytesPerSecond),
      number("decode_flash_attention.block_bytes_per_s", .rate, \.waveDecode.blockBytesPerSecond),
      number("decode_flash_attention.combine_us", .time, \.waveDecode.combine),
      number("decode_flash_attention.per_sequence_head_us", .time, \.waveDecode.perSequenceHead),
      number("decode_no_split.floor_us", .time, \.unsplitDecode.floor),
      number("decode_no_split.bytes_per_s", .rate, \.unsplitDecode.bytesPerSecond),
      number("decode_no_split.block_bytes_per_s", .rate, \.unsplitDecode.blockBytesPerSecond),
      number("decode_no_split.per_sequence_head_us", .time, \.unsplitDecode.perSequenceHead),
    ] + latent("decode_latent", \.latentDecode) + prefill("prefill", \.prefillAttention)

  private static func allReduce(of spec: HardwareSpec) -> [HardwareField] {
    switch spec.allReduce {
    case .ring: [number("all_reduce.ring_bytes_per_s", .rate, \.ringBytesPerSecond)]
    case .fits(let fits):
      fits.indices.flatMap { index in
        let prefix = "all_reduce.ranks_\(fits[index].ranks)"
        return [
          number("\(prefix).floor_us", .time, \.allReduceFits[index].line.alpha),
          number("\(prefix).bytes_per_s", .rate, \.allReduceFits[index].line.bytesPerSecond),
          number("\(prefix).overlap_exponent", .rate, \.allReduceFits[index].exponent),
        ]
      }
    }
  }

  private static func customAllReduce(of spec: HardwareSpec) -> [HardwareField] {
    guard let custom = spec.customAllReduce else { return [] }
    return [integer("custom_all_reduce.most_bytes", least: 1, \.customOrNone.mostBytes)]
      + custom.fits.indices.flatMap { index in
        let prefix = "custom_all_reduce.ranks_\(custom.fits[index].ranks)"
        return [
          number("\(prefix).small_floor_us", .time, \.customOrNone.fits[index].small.alpha),
          number("\(prefix).small_bytes_per_s", .rate, \.customOrNone.fits[index].small.bytesPerSecond),
          number("\(prefix).large_floor_us", .time, \.customOrNone.fits[index].large.alpha),
          number("\(prefix).large_bytes_per_s", .rate, \.customOrNone.fits[index].large.bytesPerSecond),
        ]
      }
  }

  private static func link(_ name: String, _ path: WritableKeyPath<HardwareSpec, LinkClass> & Sendable)
    -> [HardwareField]
  {
    [
      HardwareField(
        name: "\(name).name",
        value: .text(choices: [], get: { $0[keyPath: path].name }, set: { $0[keyPath: path].name = $1 })),
      HardwareField(
        name: "\(name).source",
        value: .text(choices: [], get: { $0[keyPath: path].source }, set: { $0[keyPath: path].source = $1 })),
      // Whole picoseconds, which µs with six decimals hold exactly.
      HardwareField(
        name: "\(name).latency_us",
        value: .number(
          .time, get: { Double($0[keyPath: path].costs.latency) / 1e6 },
          set: { $0[keyPath: path].costs.latency = Int64((min($1, 1e12) * 1e6).rounded()) })),
      HardwareField(
        name: "\(name).bytes_per_s",
        value: .number(
          .rate, get: { $0[keyPath: path].costs.bytesPerSecond },
          set: { $0[keyPath: path].costs.bytesPerSecond = $1 })),
    ]
  }

  private static let engine = [
    text("engine.name", \.engine.name), text("engine.summary", \.engine.summary),
    HardwareField(
      name: "engine.scheduler",
      value: .text(
        choices: EngineKind.allCases.map(\.rawValue), get: { $0.engine.scheduler.rawValue },
        set: {
          $0.engine.scheduler = EngineKind(rawValue: $1) ?? $0.engine.scheduler
          $0.engine.limits = .vllm($0.engine.scheduler)
        })
    ).orElse {
      $0.engine.scheduler = .vllmV0
      $0.engine.limits = .vllmV0
    },
    number("engine.host_single_us", .time, \.engine.host.single),
    number("engine.host_single_per_sequence_us", .time, \.engine.host.singlePerSequence),
    number("engine.host_sharded_us", .time, \.engine.host.sharded),
    number("engine.host_sharded_per_sequence_us", .time, \.engine.host.shardedPerSequence),
    number("engine.gap_per_layer_us", .time, \.engine.gapPerLayer),
    number("engine.launch_floor_per_layer_us", .time, \.engine.launchFloorPerLayer),
    number("engine.prefill_launch_floor_per_layer_us", .time, \.engine.prefillLaunchFloorPerLayer)
      .orElse { $0.engine.prefillLaunchFloorPerLayer = $0.engine.launchFloorPerLayer },
    HardwareField(
      name: "engine.overlaps_host",
      value: .flag(get: { $0.engine.overlapsHost }, set: { $0.engine.overlapsHost = $1 })
    ).orElse { $0.engine.overlapsHost = false },
    HardwareField(
      name: "engine.largest_graph",
      value: .integer(
        least: 0, get: { $0.engine.graphSizes?.largest ?? 0 },
        set: { $0.engine.graphSizes = $1 > 0 ? GraphSizes(largest: $1) : nil })
    ).orElse { $0.engine.graphSizes = nil },
    HardwareField(
      name: "engine.decode_kernel",
      value: .text(
        choices: DecodeKernel.allCases.map(\.rawValue), get: { $0.engine.decodeKernel.rawValue },
        set: { $0.engine.decodeKernel = DecodeKernel(rawValue: $1) ?? $0.engine.decodeKernel })),
    number("engine.decode_bandwidth_share", .rate, \.engine.decodeBandwidthShare),
    number("engine.prefill_attention_share", .rate, \.engine.prefillAttentionShare)
      .orElse { $0.engine.prefillAttentionShare = 1 },
    HardwareField(
      name: "engine.kv_accounting",
      value: .text(
        choices: KVAccounting.all.map(\.name), get: { $0.engine.accounting.name },
        set: { spec, name in
          spec.engine.accounting = KVAccounting.all.first { $0.name == name } ?? spec.engine.accounting
        })
    ).orElse { $0.engine.accounting = .assumed },
    HardwareField(
      name: "engine.fuses_residual",
      value: .flag(get: { $0.engine.fusesResidual }, set: { $0.engine.fusesResidual = $1 })
    ).orElse { $0.engine.fusesResidual = false },
    HardwareField(
      name: "engine.custom_all_reduce",
      value: .flag(get: { $0.engine.customAllReduce }, set: { $0.engine.customAllReduce = $1 })),
  ]

  private static let measured = [
    HardwareField(
      name: "measured.tokens",
      value: .integer(
        least: 1, get: { $0.measured.tokens.upperBound }, set: { $0.measured.tokens = 1...max(1, $1) })),
    integer("measured.decode_context", least: 1, \.measured.decodeContext),
    integer("measured.prefill", least: 1, \.measured.prefill),
  ]
}

extension HardwareSpec {
  /// The measured all-reduces; empty for a ring.
  var allReduceFits: [AllReduceFit] {
    get { if case .fits(let fits) = allReduce { fits } else { [] } }
    set { allReduce = .fits(newValue) }
  }

  /// The ring's bandwidth; infinite for measured all-reduces.
  fileprivate var ringBytesPerSecond: Double {
    get { if case .ring(let rate) = allReduce { rate } else { .infinity } }
    set { allReduce = .ring(bytesPerSecond: newValue) }
  }

  /// The custom all-reduce, or one without any group size.
  fileprivate var customOrNone: CustomAllReduce {
    get { customAllReduce ?? CustomAllReduce(mostBytes: 1, fits: []) }
    set { customAllReduce = newValue }
  }
}
