import ArgumentParser
import Results
import Studies

/// A share of a study's heats: number `index` of `count`, from 1.
package struct Shard: Hashable, Sendable, ExpressibleByArgument {
  package static let whole = Shard(index: 1, count: 1)
  static let mostShards = 100_000

  var index: Int
  package var count: Int

  package init(index: Int, count: Int) { (self.index, self.count) = (index, count) }

  /// "2/8".
  package init?(argument: String) {
    let numbers = argument.split(separator: "/", omittingEmptySubsequences: false).map { Int($0) }
    guard numbers.count == 2, let index = numbers[0], let count = numbers[1],
      (1...Self.mostShards).contains(count), (1...count).contains(index)
    else { return nil }
    self.init(index: index, count: count)
  }

  package var defaultValueDescription: String { description }
  package var description: String { "\(index)/\(count)" }

  /// The heats of this share. Those of the study are dealt out in the order of the digests of their names: shares are
  /// equal to within one heat, and no axis of the study falls in step with them. A heat is never divided, as its common
  /// trace needs all its contenders.
  package func share(of heats: [HeatName]) -> Set<HeatName> {
    let dealt = heats.map {
      (name: $0, digest: JSON.string("\($0.cell.grid) \($0.cell.axesText) \($0.seed)").digest)
    }
    .sorted { $0.digest < $1.digest }
    return Set(dealt.enumerated().filter { $0.offset % count == index - 1 }.map(\.element.name))
  }
}
