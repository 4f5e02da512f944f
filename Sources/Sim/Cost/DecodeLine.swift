/// A piece of decode attention's time for one batch size: a straight line in the batch's total context.
///
/// A kernel's time bends where the GPU fills or the number of splits changes. Between mean contexts of 2^k and
/// 2^(k+1) tokens it is replaced by its chord, so that a run of decode steps costs the same increment each, up to
/// the step that reaches `until`. Times at the knots never fall: a longer context is never cheaper.
public struct DecodeLine: Hashable, Sendable {
  /// The total context at which the line starts, tokens.
  public var from: Int64
  /// The total context at which the next line takes over; `.max` when none does.
  public var until: Int64
  /// Time at `from`, ps per stage.
  public var base: Int64
  /// Time of one more attended token, ps per stage.
  public var rate: Int64

  /// Takes the parts as they are.
  public init(from: Int64, until: Int64, base: Int64, rate: Int64) {
    self.from = from
    self.until = until
    self.base = base
    self.rate = rate
  }

  /// ps at `context` tokens; below `from` (mean contexts under one token) the line is continued.
  public func time(context: Int64) -> Int64 { base + rate * (context - from) }

  /// The last octave: mean contexts of 2^40 tokens, beyond any run.
  private static let last = 40
  static let octaves = last + 1

  /// k, such that the mean context lies in 2^k ..< 2^(k+1); 0 below one token.
  @inline(__always)
  static func octave(sequences: Int, context: Int64) -> Int {
    // Of numbers with as many bits, 2^k times the sequences and the context, the first may be the larger; no division.
    let (sequences, context) = (Int64(max(1, sequences)), max(0, context))
    let k = sequences.leadingZeroBitCount - context.leadingZeroBitCount
    guard k > 0 else { return 0 }
    return min(last, sequences << Int64(k) > context ? k - 1 : k)
  }

  /// The chord of `knot`, ps for a batch of `sequences` contexts of that length, over octave `octave`; it starts
  /// where `previous` ends.
  init(
    sequences: Int, octave: Int, atLeast previous: DecodeLine?,
    knot: (_ sequences: Int, _ context: Int) -> Int64
  ) {
    let span = Int64(sequences) << Int64(octave)
    from = span
    until = octave == Self.last ? .max : 2 * span
    let start = knot(sequences, 1 << octave)
    base = previous.map { max(start, $0.time(context: span)) } ?? start
    let end = max(base, knot(sequences, 2 << octave))
    rate = (end - base) / span
  }
}

/// What the longest context of a batch sets when a kernel does not split contexts: ps per stage,
/// constant + perSequence · sequences + rate · longest context.
public struct LongestContext: Hashable, Sendable {
  /// Without any sequence or context.
  public var constant: Int64
  /// For each sequence of the batch.
  public var perSequence: Int64
  /// For each attended token of the longest context.
  public var rate: Int64

  /// Takes the parts as they are.
  public init(constant: Int64, perSequence: Int64, rate: Int64) {
    self.constant = constant
    self.perSequence = perSequence
    self.rate = rate
  }

  /// ps for a batch of `sequences`, the longest context of which has `context` tokens.
  public func time(sequences: Int, context: Int64) -> Int64 {
    constant + perSequence * Int64(sequences) + rate * context
  }
}
