/// Some tokens of a request's KV cache, as one holder has them: a block table over a store.
///
/// Slot s of the part is physical block `table[s]`, and its first token stands at `positions[s]` in the request.
/// The part's tokens are the slots' tokens in order, of which those in `range` count: token i lies in slot i / B at
/// offset i mod B, at position `positions[i / B] + i mod B`, where B is `store.layout.blockTokens`. Slots may come in
/// any order and leave gaps, and a part may be empty.
public struct KVPart: Sendable {
  /// The memory.
  public let store: KVStore
  /// The physical block of each slot.
  public let table: [Int32]
  /// The position in the request of each slot's first token.
  public let positions: [Int32]
  /// The tokens that count, within 0 ..< table.count · B.
  public let range: Range<Int>

  /// Traps unless every slot is a block of the store and the range lies within the slots.
  public init(store: KVStore, table: [Int32], positions: [Int32], range: Range<Int>) {
    precondition(
      table.count == positions.count && table.allSatisfy { (0..<store.blocks).contains(Int($0)) }
        && range.lowerBound >= 0 && range.upperBound <= table.count * store.layout.blockTokens,
      "a KV part's slots are blocks of its store, each with a position, and its range lies within them")
    self.store = store
    self.table = table
    self.positions = positions
    self.range = range
  }

  /// All tokens of a contiguous store (one block), from position 0.
  public init(contiguous store: KVStore) {
    precondition(store.blocks == 1, "a contiguous store has one block")
    self.init(store: store, table: [0], positions: [0], range: 0..<store.layout.blockTokens)
  }

  /// The tokens that the part holds.
  public var count: Int { range.count }

  /// Where token `index` (in `range`) lies, and its position in the request.
  public func locate(_ index: Int) -> (block: Int, offset: Int, position: Int) {
    let (slot, offset) = index.quotientAndRemainder(dividingBy: store.layout.blockTokens)
    return (Int(table[slot]), offset, Int(positions[slot]) + offset)
  }

  /// The part of these tokens in `subrange` of `range`, with only the slots that it needs.
  public subscript(subrange: Range<Int>) -> KVPart {
    precondition(
      range.lowerBound <= subrange.lowerBound && subrange.upperBound <= range.upperBound,
      "a part of a part lies within it")
    let size = store.layout.blockTokens
    let slots =
      subrange.isEmpty ? 0..<0 : subrange.lowerBound / size..<(subrange.upperBound + size - 1) / size
    let first = slots.lowerBound * size
    return KVPart(
      store: store, table: Array(table[slots]), positions: Array(positions[slots]),
      range: subrange.isEmpty ? 0..<0 : subrange.lowerBound - first..<subrange.upperBound - first)
  }

  /// The bytes of keys and values that attention over this part reads.
  public var bytes: Int { 2 * count * store.kvHeads * store.headDim * store.element.bytes }

  /// The largest |v| among the part's tokens; 0 without any.
  public var largestValue: Double {
    var largest: Float = 0
    for index in range {
      let (block, offset, _) = locate(index)
      for head in 0..<store.kvHeads {
        let start = store.layout.index(block: block, offset: offset, head: head)
        store.values.withFloats(start..<start + store.headDim) { row in
          for value in row { largest = max(largest, abs(value)) }
        }
      }
    }
    return Double(largest)
  }
}
