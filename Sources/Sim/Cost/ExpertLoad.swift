#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// How a router spreads an iteration's tokens over the experts, seen from the rank with the most to do.
public struct ExpertLoad: Hashable, Sendable {
  /// Experts of the rank that any token reaches.
  public var reached: Double
  /// Rows of the rank, each expert's padded to whole tiles of 16.
  public var rowsIn16: Double
  /// The same for tiles of 64.
  public var rowsIn64: Double

  /// Takes the parts as they are.
  public init(reached: Double, rowsIn16: Double, rowsIn64: Double) {
    self.reached = reached
    self.rowsIn16 = rowsIn16
    self.rowsIn64 = rowsIn64
  }

  /// Popularity of experts by a power law of exponent `skew`, as ai-dynamo/aiconfigurator loads the experts that it
  /// measures: the mean of a few seeded draws.
  ///
  /// A draw gives each expert a popularity between 1 and 0.8 · tokens (or between 0.01 and 2 when there are fewer
  /// rows than experts), shares the tokens · perToken rows out accordingly, at most one row per token to an
  /// expert, and takes the rank whose experts got most. The same tokens always give the same load.
  public static func powerLaw(skew: Double, call: MoECall) -> ExpertLoad {
    let draws = 4
    let stream = RandomStream(seed: 0, name: "expert load")
    var sum = ExpertLoad(reached: 0, rowsIn16: 0, rowsIn64: 0)
    for draw in 0..<draws {
      let rows = drawRows(skew: skew, call: call) { stream.unit(entity: draw, ordinal: $0) }
      let perRank = call.experts / call.ranks
      let ranks = (0..<call.ranks).map { rows[($0 * perRank)..<(($0 + 1) * perRank)] }
      let busiest = ranks.max { $0.reduce(0, +) < $1.reduce(0, +) } ?? rows[...]
      for count in busiest where count > 0 {
        sum.reached += 1
        sum.rowsIn16 += Double((count + 15) / 16 * 16)
        sum.rowsIn64 += Double((count + 63) / 64 * 64)
      }
    }
    let share = 1 / Double(draws)
    return ExpertLoad(
      reached: sum.reached * share, rowsIn16: sum.rowsIn16 * share, rowsIn64: sum.rowsIn64 * share)
  }

  /// Rows of each expert, by one draw of popularities.
  private static func drawRows(skew: Double, call: MoECall, unit: (Int) -> Double) -> [Int] {
    let total = call.tokens * call.perToken
    let (least, most) = total > call.experts ? (1, Double(call.tokens) * 0.8) : (0.01, 2)
    let power = 1 - skew
    let (low, high) = (pow(least, power), pow(most, power))
    let popularity = (0..<call.experts).map { pow((high - low) * unit($0) + low, 1 / power) }
    let scale = Double(total) / popularity.reduce(0, +)
    var rows = popularity.map { min(call.tokens, Int(($0 * scale).rounded())) }
    // Rounding and the limit leave some rows over or short: they go to the most popular that can take them, whose places
    // are drawn too. With few tokens nearly all rows are such: by index they would all meet on the first rank.
    var rest = total - rows.reduce(0, +)
    let order = rows.indices.sorted { (popularity[$0], $1) > (popularity[$1], $0) }
    while rest != 0 {
      for expert in order where rest != 0 {
        if rest > 0, rows[expert] < call.tokens {
          // The first round gives one row each; a large rest is spread in larger parts.
          let part = max(1, min(call.tokens - rows[expert], rest / call.experts))
          rows[expert] += part
          rest -= part
        } else if rest < 0, rows[expert] > 0 {
          rows[expert] -= 1
          rest += 1
        }
      }
    }
    return rows
  }
}
