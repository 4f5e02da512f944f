/// Blocks in use on each instance as of its clock: own, hosted for others, and reserved for moves on their way in.
struct BookedBlocks: ~Copyable {
  private var blocks: Slab<Int>
  /// The same with the least first, kept only if somebody asks for it.
  private(set) var order: WinnerTree
  private let keepsOrder: Bool

  init(count: Int, keepsOrder: Bool) {
    blocks = Slab(repeating: 0, count: count)
    order = WinnerTree(count: keepsOrder ? count : 1)
    self.keepsOrder = keepsOrder
    for i in 0..<(keepsOrder ? count : 0) { order.set(i, to: 0) }
  }

  @inline(__always)
  subscript(instance: Int) -> Int {
    _read { yield blocks[instance] }
    _modify {
      yield &blocks[instance]
      if keepsOrder { order.set(instance, to: Int64(blocks[instance])) }
    }
  }
}
