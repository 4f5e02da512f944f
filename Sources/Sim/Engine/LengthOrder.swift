/// The decoding requests of an instance by the tokens that they store, the most first; ties to the higher slot.
///
/// All of them grow by a token a step, so their order is that of `RequestState.lengthKey` (what a request stored when it
/// joined, less the instance's decode clock then), which stays the same while they decode. A request that joins is most
/// likely the shortest: it is put in at the end, or near it.
struct LengthOrder {
  /// An entry is one word, key · 2²⁴ + slot; descending.
  private var words: ContiguousArray<Int64> = []

  var count: Int { words.count }

  func key(at rank: Int) -> Int64 { words[rank] >> 24 }
  func slot(at rank: Int) -> Int { Int(words[rank] & 0xFF_FFFF) }

  mutating func insert(_ slot: Int, key: Int64) {
    let word = Self.word(slot, key)
    words.insert(word, at: rank(of: word))
  }

  /// Takes out a request that is in.
  mutating func remove(_ slot: Int, key: Int64) {
    let word = Self.word(slot, key)
    let rank = rank(of: word)
    precondition(words[rank] == word, "a decoding request is in the order of its instance")
    words.remove(at: rank)
  }

  private static func word(_ slot: Int, _ key: Int64) -> Int64 {
    precondition(abs(key) < 1 << 39 && slot < 1 << 24, "lengths and clocks are below 2^39, slots below 2^24")
    return key << 24 | Int64(slot)
  }

  /// How many entries are above a word.
  private func rank(of word: Int64) -> Int {
    var (low, high) = (0, words.count)
    while low < high {
      let middle = (low + high) / 2
      if words[middle] > word { low = middle + 1 } else { high = middle }
    }
    return low
  }
}
