/// Rows that one owner holds, by index: what an array is, without the check on every change whether somebody shares
/// it. The loop changes rows some twenty times per request, and such a check costs as much as most of the changes.
///
/// Indices are checked in debug builds only: they come from the tables themselves, never from input.
struct Slab<Row>: ~Copyable {
  private var rows: UnsafeMutablePointer<Row>
  private var capacity: Int
  private(set) var count = 0

  init(capacity: Int = 16) {
    self.capacity = max(1, capacity)
    rows = UnsafeMutablePointer.allocate(capacity: self.capacity)
  }

  init(repeating row: Row, count: Int) {
    self.init(capacity: count)
    rows.initialize(repeating: row, count: count)
    self.count = count
  }

  deinit {
    rows.deinitialize(count: count)
    rows.deallocate()
  }

  @inline(__always)
  subscript(index: Int) -> Row {
    _read {
      assert(UInt(bitPattern: index) < UInt(bitPattern: count), "a row of the slab")
      yield rows[index]
    }
    _modify {
      assert(UInt(bitPattern: index) < UInt(bitPattern: count), "a row of the slab")
      yield &rows[index]
    }
  }

  mutating func append(_ row: Row) {
    if count == capacity { grow() }
    (rows + count).initialize(to: row)
    count += 1
  }

  mutating func popLast() -> Row? {
    guard count > 0 else { return nil }
    count -= 1
    return (rows + count).move()
  }

  /// Forgets all rows and keeps their room.
  mutating func removeAll() {
    rows.deinitialize(count: count)
    count = 0
  }

  private mutating func grow() {
    let larger = UnsafeMutablePointer<Row>.allocate(capacity: 2 * capacity)
    larger.moveInitialize(from: rows, count: count)
    rows.deallocate()
    rows = larger
    capacity *= 2
  }
}
