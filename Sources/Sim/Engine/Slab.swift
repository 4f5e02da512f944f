#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// Rows that one owner holds, by index: what an array is, without the check on every change whether somebody shares
/// it. The loop changes rows some twenty times per request, and such a check costs as much as most of the changes.
///
/// Indices are checked in debug builds only: they come from the tables themselves, never from input.
struct Slab<Row: ~Copyable>: ~Copyable {
  private var rows: UnsafeMutablePointer<Row>
  private var capacity: Int
  private(set) var count = 0

  init(count: Int, _ make: () -> Row) {
    capacity = max(1, count)
    rows = Self.allocate(capacity)
    for index in 0..<count { (rows + index).initialize(to: make()) }
    self.count = count
  }

  deinit {
    rows.deinitialize(count: count)
    free(rows)
  }

  private static func allocate(_ capacity: Int) -> UnsafeMutablePointer<Row> {
    resize(nil, to: capacity)
  }

  /// From the C library, which moves large blocks by changing page tables: nothing is copied or touched anew.
  private static func resize(_ rows: UnsafeMutablePointer<Row>?, to capacity: Int) -> UnsafeMutablePointer<
    Row
  > {
    precondition(MemoryLayout<Row>.alignment <= 16, "what the C library aligns to")
    guard let memory = realloc(rows, capacity * MemoryLayout<Row>.stride) else {
      fatalError("out of memory: \(capacity) rows of \(MemoryLayout<Row>.stride) bytes")
    }
    return memory.bindMemory(to: Row.self, capacity: capacity)
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
}

extension Slab {
  init(repeating row: Row, count: Int) {
    self.init(count: count) { row }
  }
}

/// What grows is plain data, which may be moved as bytes.
extension Slab where Row: BitwiseCopyable {
  init() {
    capacity = 16
    rows = Self.allocate(capacity)
  }

  mutating func append(_ row: Row) {
    if count == capacity {
      capacity *= 2
      rows = Self.resize(rows, to: capacity)
    }
    (rows + count).initialize(to: row)
    count += 1
  }

  mutating func popLast() -> Row? {
    guard count > 0 else { return nil }
    count -= 1
    return rows[count]
  }

  /// Forgets all rows and keeps their room.
  mutating func removeAll() { count = 0 }
}
