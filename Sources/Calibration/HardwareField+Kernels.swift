import Sim

/// The sections of a hardware file that several kernels share, and those that only some profiles have.
extension HardwareField {
  /// A number of a part of a profile.
  private static func number<Part>(
    _ name: String, _ kind: Kind, _ path: WritableKeyPath<HardwareSpec, Part> & Sendable,
    _ part: WritableKeyPath<Part, Double> & Sendable
  ) -> HardwareField {
    HardwareField(
      name: name,
      value: .number(
        kind, get: { $0[keyPath: path][keyPath: part] }, set: { $0[keyPath: path][keyPath: part] = $1 }))
  }

  /// A whole number of a part of a profile.
  private static func integer<Part>(
    _ name: String, _ path: WritableKeyPath<HardwareSpec, Part> & Sendable,
    _ part: WritableKeyPath<Part, Int> & Sendable
  ) -> HardwareField {
    HardwareField(
      name: name,
      value: .integer(
        least: 1, get: { $0[keyPath: path][keyPath: part] }, set: { $0[keyPath: path][keyPath: part] = $1 }))
  }

  /// The constants of matrix products: those that the tiling has, and all others.
  static func gemm(
    _ section: String, _ tiling: GEMMTiling, _ path: WritableKeyPath<HardwareSpec, GEMMCost> & Sendable
  ) -> [HardwareField] {
    func part(_ name: String, _ kind: Kind, _ part: WritableKeyPath<GEMMCost, Double> & Sendable)
      -> HardwareField
    {
      number(section + "." + name, kind, path, part)
    }
    var fields = [
      part("floor_us", .time, \.floor), part("bytes_per_s", .rate, \.bytesPerSecond),
      part("flops_per_s", .rate, \.flopsPerSecond), part("overlap_exponent", .rate, \.exponent),
      part("fill_elements", .time, \.fill),
      part("quantised_elements_per_s", .rate, \.quantisedPerSecond),
      HardwareField(
        name: section + ".tiling",
        value: .text(
          choices: GEMMTiling.names, get: { $0[keyPath: path].tiling.name },
          set: { spec, name in
            if spec[keyPath: path].tiling.name != name {
              spec[keyPath: path].tiling = GEMMTiling(name: name) ?? .exact
            }
          })),
    ]
    if tiling.multiprocessors != nil {
      fields.append(
        integer(section + ".multiprocessors", path, \.tiling.multiprocessorsOrOne))
    }
    if case .waves = tiling {
      fields.append(part("narrow_ratio", .rate, \.tiling.narrow))
      fields.append(part("spread_ratio", .rate, \.tiling.spread))
      fields.append(part("idle_share", .time, \.tiling.idle).orElse { $0[keyPath: path].tiling.idle = 0 })
    }
    return fields
  }

  /// The constants of routed experts.
  static func experts(
    _ section: String, _ path: WritableKeyPath<HardwareSpec, FusedMoECost> & Sendable
  ) -> [HardwareField] {
    func part(_ name: String, _ kind: Kind, _ part: WritableKeyPath<FusedMoECost, Double> & Sendable)
      -> HardwareField
    { number(section + "." + name, kind, path, part) }
    return [
      part("floor_us", .time, \.floor), part("align_us", .time, \.align),
      part("bytes_per_s", .rate, \.bytesPerSecond), part("per_expert_us", .time, \.perExpert),
      part("small_tile_flops_per_s", .rate, \.smallTileFlops),
      part("large_tile_flops_per_s", .rate, \.largeTileFlops),
      part("tuned_flops_per_s", .rate, \.tunedFlops), part("overlap_exponent", .rate, \.exponent),
      part("row_bytes_per_s", .rate, \.rowBytesPerSecond),
      HardwareField(
        name: section + ".tuned_shapes",
        value: .text(
          choices: TunedExperts.allCases.map(\.rawValue), get: { $0[keyPath: path].tuned.rawValue },
          set: { $0[keyPath: path].tuned = TunedExperts(rawValue: $1) ?? .all })),
    ]
  }

  /// The constants of FlashAttention-3's decode attention.
  static func flashAttention3(
    _ section: String, _ path: WritableKeyPath<HardwareSpec, FlashAttention3Cost> & Sendable
  ) -> [HardwareField] {
    func part(_ name: String, _ kind: Kind, _ part: WritableKeyPath<FlashAttention3Cost, Double> & Sendable)
      -> HardwareField
    { number(section + "." + name, kind, path, part) }
    return [
      part("floor_us", .time, \.floor), part("bytes_per_s", .rate, \.bytesPerSecond),
      part("overlap_exponent", .rate, \.exponent),
      part("per_sequence_kv_head_us", .time, \.perSequenceKVHead),
      part("per_sequence_head_us", .time, \.perSequenceHead), part("uncached_us", .time, \.uncached),
      integer(section + ".cache_bytes", path, \.cacheBytes),
    ]
  }

  /// The constants of decode attention on a latent.
  static func latent(
    _ section: String, _ path: WritableKeyPath<HardwareSpec, LatentAttentionCost> & Sendable
  ) -> [HardwareField] {
    func part(_ name: String, _ kind: Kind, _ part: WritableKeyPath<LatentAttentionCost, Double> & Sendable)
      -> HardwareField
    { number(section + "." + name, kind, path, part) }
    return [
      part("least_us", .time, \.least), part("base_us", .time, \.base), part("per_key_us", .time, \.perKey),
      part("per_sequence_us", .time, \.perSequence), part("per_sequence_head_us", .time, \.perSequenceHead),
      part("bytes_per_s", .rate, \.bytesPerSecond), part("flops_per_s", .rate, \.flopsPerSecond),
    ]
  }

  /// The constants of prefill attention.
  static func prefill(
    _ section: String, _ path: WritableKeyPath<HardwareSpec, PrefillAttentionCost> & Sendable
  ) -> [HardwareField] {
    func part(_ name: String, _ kind: Kind, _ part: WritableKeyPath<PrefillAttentionCost, Double> & Sendable)
      -> HardwareField
    { number(section + "." + name, kind, path, part) }
    return [
      part("floor_us", .time, \.floor), part("per_token_query_head_us", .time, \.perTokenQueryHead),
      part("per_token_root_kv_head_us", .time, \.perTokenRootKVHead),
      part("flops_per_s", .rate, \.flopsPerSecond), part("tile_flops_per_s", .rate, \.tileFlopsPerSecond),
    ]
  }

  /// A section that a profile may lack.
  struct Optional: Sendable {
    /// Its key.
    var name: String
    /// Whether a profile has it.
    var isThere: @Sendable (HardwareSpec) -> Bool
    /// Gives a profile the section, its values still to be read, or takes it away.
    var put: @Sendable (inout HardwareSpec, Bool) -> Void
    /// Its fields.
    var fields: @Sendable (HardwareSpec) -> [HardwareField]
  }

  /// The sections that only some profiles have, and that a file may leave out.
  static let optional: [Optional] = [
    Optional(
      name: "gemm_fp8", isThere: { $0.gemmFP8 != nil }, put: { $0.gemmFP8 = $1 ? .unreadFP8 : nil },
      fields: { gemm("gemm_fp8", $0.gemmFP8?.tiling ?? .exact, \.gemmFP8OrNone) }),
    Optional(
      name: "gemm_fp8_block", isThere: { $0.gemmFP8Block != nil },
      put: { $0.gemmFP8Block = $1 ? .unreadFP8 : nil },
      fields: { gemm("gemm_fp8_block", $0.gemmFP8Block?.tiling ?? .exact, \.gemmFP8BlockOrNone) }),
    Optional(
      name: "decode_flash_attention_3", isThere: { $0.flashAttention3 != nil },
      put: { $0.flashAttention3 = $1 ? .unread : nil },
      fields: { _ in flashAttention3("decode_flash_attention_3", \.flashAttention3OrNone) }),
    Optional(
      name: "decode_flash_attention_3_fp8", isThere: { $0.flashAttention3FP8 != nil },
      put: { $0.flashAttention3FP8 = $1 ? .unread : nil },
      fields: { _ in flashAttention3("decode_flash_attention_3_fp8", \.flashAttention3FP8OrNone) }),
    Optional(
      name: "decode_latent_fp8", isThere: { $0.latentDecodeFP8 != nil },
      put: { $0.latentDecodeFP8 = $1 ? $0.latentDecode : nil },
      fields: { _ in latent("decode_latent_fp8", \.latentDecodeFP8OrNone) }),
    Optional(
      name: "prefill_fp8", isThere: { $0.prefillAttentionFP8 != nil },
      put: { $0.prefillAttentionFP8 = $1 ? $0.prefillAttention : nil },
      fields: { _ in prefill("prefill_fp8", \.prefillFP8OrNone) }),
    Optional(
      name: "prefill_latent", isThere: { $0.latentPrefill != nil },
      put: { $0.latentPrefill = $1 ? $0.prefillAttention : nil },
      fields: { _ in prefill("prefill_latent", \.latentPrefillOrNone) }),
    Optional(
      name: "experts_fp8", isThere: { $0.expertsFP8 != nil },
      put: { $0.expertsFP8 = $1 ? $0.experts.inFP8 : nil },
      fields: { _ in experts("experts_fp8", \.expertsFP8OrNone) }),
    Optional(
      name: "experts_fp8_block", isThere: { $0.expertsFP8Block != nil },
      put: { $0.expertsFP8Block = $1 ? $0.experts.inFP8 : nil },
      fields: { _ in experts("experts_fp8_block", \.expertsFP8BlockOrNone) }),
    Optional(
      name: "experts_fp8_block_spread", isThere: { $0.expertsFP8BlockSpread != nil },
      put: { $0.expertsFP8BlockSpread = $1 ? $0.experts.inFP8 : nil },
      fields: { _ in experts("experts_fp8_block_spread", \.expertsFP8BlockSpreadOrNone) }),
  ]
}

extension GEMMTiling {
  /// What a hardware file calls the tilings.
  static let names = ["exact", "even", "waves", "by-rows"]

  /// What a hardware file calls it.
  var name: String {
    switch self {
    case .exact: "exact"
    case .even: "even"
    case .waves: "waves"
    case .byRows: "by-rows"
    }
  }

  /// The tiling of that name, its numbers still to be read.
  init?(name: String) {
    switch name {
    case "exact": self = .exact
    case "even": self = .even
    case "waves": self = .waves(multiprocessors: 1, narrow: 1, spread: 1)
    case "by-rows": self = .byRows(multiprocessors: 1)
    default: return nil
    }
  }

  /// Multiprocessors of the GPU, where the tiling counts them.
  var multiprocessors: Int? {
    switch self {
    case .exact, .even: nil
    case .waves(let count, _, _, _), .byRows(let count): count
    }
  }

  fileprivate var multiprocessorsOrOne: Int {
    get { multiprocessors ?? 1 }
    set {
      switch self {
      case .exact, .even: break
      case .waves(_, let narrow, let spread, let idle):
        self = .waves(multiprocessors: newValue, narrow: narrow, spread: spread, idle: idle)
      case .byRows: self = .byRows(multiprocessors: newValue)
      }
    }
  }

  fileprivate var narrow: Double {
    get { if case .waves(_, let narrow, _, _) = self { narrow } else { 1 } }
    set {
      if case .waves(let count, _, let spread, let idle) = self {
        self = .waves(multiprocessors: count, narrow: newValue, spread: spread, idle: idle)
      }
    }
  }

  fileprivate var spread: Double {
    get { if case .waves(_, _, let spread, _) = self { spread } else { 1 } }
    set {
      if case .waves(let count, let narrow, _, let idle) = self {
        self = .waves(multiprocessors: count, narrow: narrow, spread: newValue, idle: idle)
      }
    }
  }

  fileprivate var idle: Double {
    get { if case .waves(_, _, _, let idle) = self { idle } else { 0 } }
    set {
      if case .waves(let count, let narrow, let spread, _) = self {
        self = .waves(multiprocessors: count, narrow: narrow, spread: spread, idle: newValue)
      }
    }
  }
}

extension GEMMCost {
  /// One of fp8 whose values are still to be read.
  fileprivate static let unreadFP8 = GEMMCost(
    floor: 0, bytesPerSecond: 1, flopsPerSecond: 1, exponent: 1, bytesPerWeight: 1, bytesPerInput: 1)
}

extension FlashAttention3Cost {
  /// One whose values are still to be read.
  fileprivate static let unread = FlashAttention3Cost(
    floor: 0, bytesPerSecond: 1, exponent: 1, perSequenceKVHead: 0, perSequenceHead: 0, uncached: 0,
    cacheBytes: 1)
}

extension FusedMoECost {
  /// The same with weights of 8 bits.
  fileprivate var inFP8: FusedMoECost {
    var cost = self
    cost.bytesPerWeight = 1
    return cost
  }
}

/// Sections that a profile may lack, for paths into them: fields exist only where they are there.
extension HardwareSpec {
  fileprivate var gemmFP8OrNone: GEMMCost {
    get { gemmFP8 ?? .unreadFP8 }
    set { gemmFP8 = newValue }
  }
  fileprivate var gemmFP8BlockOrNone: GEMMCost {
    get { gemmFP8Block ?? .unreadFP8 }
    set { gemmFP8Block = newValue }
  }
  fileprivate var flashAttention3OrNone: FlashAttention3Cost {
    get { flashAttention3 ?? .unread }
    set { flashAttention3 = newValue }
  }
  fileprivate var flashAttention3FP8OrNone: FlashAttention3Cost {
    get { flashAttention3FP8 ?? .unread }
    set { flashAttention3FP8 = newValue }
  }
  fileprivate var latentDecodeFP8OrNone: LatentAttentionCost {
    get { latentDecodeFP8 ?? latentDecode }
    set { latentDecodeFP8 = newValue }
  }
  fileprivate var prefillFP8OrNone: PrefillAttentionCost {
    get { prefillAttentionFP8 ?? prefillAttention }
    set { prefillAttentionFP8 = newValue }
  }
  fileprivate var latentPrefillOrNone: PrefillAttentionCost {
    get { latentPrefill ?? prefillAttention }
    set { latentPrefill = newValue }
  }
  fileprivate var expertsFP8OrNone: FusedMoECost {
    get { expertsFP8 ?? experts }
    set { expertsFP8 = newValue }
  }
  fileprivate var expertsFP8BlockOrNone: FusedMoECost {
    get { expertsFP8Block ?? experts }
    set { expertsFP8Block = newValue }
  }
  fileprivate var expertsFP8BlockSpreadOrNone: FusedMoECost {
    get { expertsFP8BlockSpread ?? experts }
    set { expertsFP8BlockSpread = newValue }
  }
}
