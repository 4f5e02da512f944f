/// `contended` coupling: what instances know of each other's steps (docs/decisions/0020-a-gpus-time-is-spent-once.md).

/// What partners know of the steps of an instance, ps.
struct StepPace {
  /// How long a step takes; 0 while there is none.
  var step: Int64 = 0
  /// Of that, the time in which its host alone works.
  var idle: Int64 = 0
  /// Its own kernels in a layer: before attention, attention, after it.
  var before: Int64 = 0
  var attention: Int64 = 0
  var after: Int64 = 0

  var layer: Int64 { before + attention + after }

  /// How long a query waits, on average, that comes `gap` after the answer to the one before: until the kernel is
  /// done that is under way then. The kernels come one after the other, and `share` makes each of them longer.
  func wait(gap: Int64, beside share: GPUShare) -> Int64 {
    let (a, b, c) = (share.stretch(before), share.stretch(attention), share.stretch(after))
    let layer = a + b + c
    guard layer > 0 else { return 0 }
    let rest = gap % layer
    // By the kernel that follows an answer (0, 1, 2): how long the next query waits, and which kernel follows the
    // answer to it.
    func next(_ first: Int64, _ second: Int64, _ start: Int) -> (wait: Int64, start: Int) {
      if rest == 0 { return (0, start) }
      if rest <= first { return (first - rest, start == 2 ? 0 : start + 1) }
      if rest <= first + second { return (first + second - rest, start == 0 ? 2 : start - 1) }
      return (layer - rest, start)
    }
    let answers = (next(a, b, 0), next(b, c, 1), next(c, a, 2))
    func answer(_ start: Int) -> (wait: Int64, start: Int) {
      start == 0 ? answers.0 : start == 1 ? answers.1 : answers.2
    }
    // After three answers at most the kernels recur, in a cycle of one, two or three: the mean over six is that over
    // any of these.
    var start = answer(answer(answer(0).start).start).start
    var sum: Int64 = 0
    for _ in 0..<6 {
      let next = answer(start)
      sum += next.wait
      start = next.start
    }
    return sum / 6
  }

  /// Whether partners need not be told of `other` instead: nothing differs by more than a quarter.
  func isAlike(_ other: StepPace) -> Bool {
    Self.isAlike(step, other.step) && Self.isAlike(idle, other.idle) && Self.isAlike(before, other.before)
      && Self.isAlike(attention, other.attention) && Self.isAlike(after, other.after)
  }

  static func isAlike(_ a: Int64, _ b: Int64) -> Bool { abs(a - b) <= max(a, b) / 4 }
}

/// What a home asks of a host in every step, ps.
struct HostAsk {
  var host: Int
  /// The host's work for it in a step, and in one layer of it.
  var work: Int64
  var perLayer: Int64
}

/// What a host does for a home.
struct HostService {
  var home: Int
  /// The share of the host's time that it takes.
  var share: GPUShare
  /// The work in one layer, ps.
  var perLayer: Int64
}

/// A share of a GPU's time, in fixed point.
struct GPUShare: Equatable {
  static let whole: Int64 = 1 << 20
  /// The most that others may take (Assumed: an instance never stops altogether).
  static let most: Int64 = whole * 1_023 / 1_024

  private(set) var parts: Int64 = 0

  init() {}

  /// `work` in every `step`.
  init(_ work: Int64, in step: Int64) {
    guard step > 0 else { return }
    parts = Int64(min(Int128(work) * Int128(Self.whole) / Int128(step), Int128(Self.most)))
  }

  static func += (sum: inout GPUShare, part: GPUShare) {
    sum.parts = min(sum.parts + part.parts, most)
  }

  /// The share, or that of `work` done beside `own` if this is less.
  func atMost(_ work: Int64, beside own: Int64) -> GPUShare {
    guard parts > 0, own > 0 else { return self }
    // Most often it is; Int128 divides slowly.
    if parts.multipliedFullWidth(by: work + own) <= Self.whole.multipliedFullWidth(by: work) { return self }
    return GPUShare(work, in: work + own)
  }

  /// This share of `time`.
  func of(_ time: Int64) -> Int64 { Int64(Int128(time) * Int128(parts) / Int128(Self.whole)) }

  /// How long work of `time` takes in what this share leaves, rounded up: a product with a rounded factor, since
  /// Int128 divides slowly.
  @inline(__always)
  func stretch(_ time: Int64) -> Int64 {
    if parts == 0 { return time }
    let factor = Self.whole * Self.whole / (Self.whole - parts)
    return Int64((Int128(time) * Int128(factor) + Int128(Self.whole - 1)) >> 20)
  }
}
