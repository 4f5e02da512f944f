/// Blocks of one request on one instance that is not its home: landed, or on their way.
struct Loan {
  /// The borrowing request, −1 for a free entry.
  var slot: Int32
  var host: Int
  /// Landed blocks.
  var blocks: Int
  /// Blocks reserved at the host by a move from the home that has not landed.
  var arriving: Int
  /// Next loan of the same request, by ascending host, −1 at the end.
  var next: Int32
}

/// A move of KV blocks between a request's home and a host.
struct Transfer: Comparable {
  var landing: Int64
  var number: Int
  var slot: Int
  var request: Int
  var home: Int
  var host: Int
  var blocks: Int
  /// From the host back to the home.
  var isRecall: Bool

  /// Ties of the landing time go to the lower (home, host, number).
  static func < (a: Transfer, b: Transfer) -> Bool {
    (a.landing, a.home, a.host, a.number) < (b.landing, b.home, b.host, b.number)
  }
}
