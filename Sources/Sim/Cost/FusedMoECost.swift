#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// Time of a mixture-of-experts layer's routed experts on one rank (vLLM's fused kernel):
///
///     floor + [tokens > 1] · align + (memory^q + compute^q)^(1/q) + rows moved / rowBytesPerSecond
///
/// Memory time streams the weights of the experts that any token reaches, and sets each of them up; compute time pads
/// each expert's rows to tiles of 16. Where vLLM has no tuned configuration tiles are of 16 rows while tokens ≤ experts
/// and of 64 above, the switch of its default.
public struct FusedMoECost: Hashable, Sendable {
  /// Launch floor, µs.
  public var floor: Double
  /// Sorting tokens by expert, µs.
  public var align: Double
  /// Memory bandwidth that weights stream at.
  public var bytesPerSecond: Double
  /// Setting up one expert that is reached, µs.
  public var perExpert: Double
  /// Arithmetic rate with tiles of 16 rows, untuned.
  public var smallTileFlops: Double
  /// Arithmetic rate with tiles of 64 rows, untuned.
  public var largeTileFlops: Double
  /// Arithmetic rate where vLLM ships a tuned configuration.
  public var tunedFlops: Double
  /// Which shapes have a tuned configuration.
  public var tuned: TunedExperts
  /// q: how softly memory and compute time overlap.
  public var exponent: Double
  /// Rate of the passes over every (token, expert) row: activation and weighted sum.
  public var rowBytesPerSecond: Double
  /// Bytes of one weight.
  public var bytesPerWeight: Double

  /// Takes the parts as they are.
  public init(
    floor: Double, align: Double, bytesPerSecond: Double, perExpert: Double = 0, smallTileFlops: Double,
    largeTileFlops: Double, tunedFlops: Double, tuned: TunedExperts, exponent: Double,
    rowBytesPerSecond: Double, bytesPerWeight: Double = 2
  ) {
    self.floor = floor
    self.align = align
    self.bytesPerSecond = bytesPerSecond
    self.perExpert = perExpert
    self.smallTileFlops = smallTileFlops
    self.largeTileFlops = largeTileFlops
    self.tunedFlops = tunedFlops
    self.tuned = tuned
    self.exponent = exponent
    self.rowBytesPerSecond = rowBytesPerSecond
    self.bytesPerWeight = bytesPerWeight
  }

  /// µs for `call`, its experts reached as `load` says.
  public func microseconds(_ call: MoECall, load: ExpertLoad) -> Double {
    let perRow = 3 * Double(call.hidden) * Double(call.intermediate)
    let memory = load.reached * (perRow * bytesPerWeight / bytesPerSecond * 1e6 + perExpert)
    let isTuned = tuned.includes(call)
    let isSmall = call.tokens <= call.experts
    let rate = isTuned ? tunedFlops : isSmall ? smallTileFlops : largeTileFlops
    let compute = 2 * (isTuned || isSmall ? load.rowsIn16 : load.rowsIn64) * perRow / rate * 1e6
    let moved = Double(call.tokens * call.perToken) * Double(call.hidden + 3 * call.intermediate) * 2
    let larger = max(memory, compute)
    let product =
      exponent.isFinite && larger > 0
      ? larger * pow(1 + pow(min(memory, compute) / larger, exponent), 1 / exponent) : larger
    return floor + (call.tokens > 1 ? align : 0) + product + moved / rowBytesPerSecond * 1e6
  }
}

/// One call of the routed experts on one rank.
public struct MoECall: Hashable, Sendable {
  /// Tokens of the iteration, over all ranks.
  public var tokens: Int
  /// Width of the residual stream.
  public var hidden: Int
  /// Width of one expert on this rank.
  public var intermediate: Int
  /// Experts of the layer, over all ranks.
  public var experts: Int
  /// Experts per token.
  public var perToken: Int
  /// Ranks that share the experts (EP).
  public var ranks: Int

  /// Takes the parts as they are.
  public init(tokens: Int, hidden: Int, intermediate: Int, experts: Int, perToken: Int, ranks: Int) {
    self.tokens = tokens
    self.hidden = hidden
    self.intermediate = intermediate
    self.experts = experts
    self.perToken = perToken
    self.ranks = ranks
  }
}

/// The shapes for which vLLM ships a tuned configuration of its fused kernel.
public enum TunedExperts: String, Hashable, Sendable, CaseIterable {
  /// All.
  case all
  /// Those of vLLM 0.14 on an A100, as the measured rates show: slices of 8 experts up to 7,168 wide (Mixtral on two
  /// GPUs and more), and of 128 experts of width 192.
  case a100

  /// Whether `call` is one of them.
  func includes(_ call: MoECall) -> Bool {
    switch self {
    case .all: true
    case .a100:
      call.ranks == 1
        && ((call.experts == 8 && call.intermediate <= 7_168)
          || (call.experts == 128 && call.intermediate == 192))
    }
  }
}
