/// Ways to deal the tokens of a KV cache to simulated hosts.
public enum KVPartition: String, CaseIterable, Hashable, Sendable {
  /// Runs of equal length, to within a token.
  case even
  /// Runs of random lengths.
  case uneven
  /// Block by block in turn, so that every host has every n-th block.
  case byBlock = "by-block"
  /// As `even`, but every other host has nothing.
  case emptyParts = "empty-parts"
  /// All but the last host have a single token.
  case oneToken = "one-token"

  /// What one host has of a part.
  public struct Share: Sendable {
    /// The host's tokens.
    public var part: KVPart
    /// Which they are among the whole part's, numbered from 0.
    public var tokens: [Range<Int>]
  }

  /// Deals the tokens of `part` to `hosts` hosts, at least 1; every token goes to one host. `seed` sets the random cuts.
  public func shares(of part: KVPart, hosts: Int, seed: UInt64 = 0) -> [Share] {
    precondition(hosts >= 1, "there is a host")
    switch self {
    case .even: return Self.runs(of: part, cuts: (0...hosts).map { part.count * $0 / hosts })
    case .uneven:
      var random = RandomNumbers(seed: seed)
      let inner = (1..<hosts).map { _ in random.integer(0...part.count) }.sorted()
      return Self.runs(of: part, cuts: [0] + inner + [part.count])
    case .byBlock: return (0..<hosts).map { Self.blocks(of: part, host: $0, of: hosts) }
    case .emptyParts:
      let full = (hosts + 1) / 2
      return Self.runs(of: part, cuts: [0] + (1...hosts).map { part.count * (($0 + 1) / 2) / full })
    case .oneToken:
      return Self.runs(of: part, cuts: (0..<hosts).map { min($0, part.count) } + [part.count])
    }
  }

  private static func runs(of part: KVPart, cuts: [Int]) -> [Share] {
    zip(cuts, cuts.dropFirst()).map { begin, end in
      let first = part.range.lowerBound
      return Share(part: part[first + begin..<first + end], tokens: [begin..<end])
    }
  }

  /// Slots `host`, `host` + `hosts`, … of the part; its first and last slot may count in part.
  private static func blocks(of part: KVPart, host: Int, of hosts: Int) -> Share {
    let size = part.store.layout.blockTokens
    let used =
      part.count == 0 ? 0..<0 : part.range.lowerBound / size..<(part.range.upperBound + size - 1) / size
    let slots = used.filter { ($0 - used.lowerBound) % hosts == host }
    guard let first = slots.first, let last = slots.last else {
      return Share(part: KVPart(store: part.store, table: [], positions: [], range: 0..<0), tokens: [])
    }
    let tokens = slots.map { ($0 * size..<($0 + 1) * size).clamped(to: part.range) }
    let lower = tokens[0].lowerBound - first * size
    let upper = (slots.count - 1) * size + tokens[tokens.count - 1].upperBound - last * size
    return Share(
      part: KVPart(
        store: part.store, table: slots.map { part.table[$0] }, positions: slots.map { part.positions[$0] },
        range: lower..<upper),
      tokens: tokens.map { $0.lowerBound - part.range.lowerBound..<$0.upperBound - part.range.lowerBound })
  }
}
