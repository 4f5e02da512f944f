import Sim

/// What the prompts of a scenario share: identities of their whole units, by request.
public struct Sharing: Sendable {
  /// Tokens of a unit; 0 for nothing shared.
  public var unit = 0
  public var hashes: [ContiguousArray<UInt64>] = []

  public init() {}

  /// Prompts of a few families that part ways after some units, as conversations do.
  package init(requests: [TraceRequest], unit: Int, _ random: inout SeededRandom) {
    self.unit = unit
    let families = random.integer(1...4)
    hashes = requests.map { request in
      let family = random.integer(1...families)
      let common = random.integer(0...6)
      let own = random.next() | 1 << 63
      return ContiguousArray(
        (0..<(request.prompt / unit)).map { $0 < common ? UInt64(family * 1_000 + $0) : own &+ UInt64($0) })
    }
  }
}

/// The requests of a scenario with what they share.
public struct SharingSource: RequestSource {
  public let info: RequestSourceInfo
  private let requests: [TraceRequest]
  private let hashes: [ContiguousArray<UInt64>]
  private var position = 0

  public init(_ requests: [TraceRequest], _ sharing: Sharing) {
    self.requests = requests
    hashes = sharing.hashes
    info = RequestSourceInfo(
      count: requests.count, lastArrival: requests[requests.count - 1].arrival, prefixUnit: sharing.unit)
  }

  public mutating func next() -> TraceRequest? {
    guard position < requests.count else { return nil }
    position += 1
    return requests[position - 1]
  }

  public var prefix: ContiguousArray<UInt64> { hashes.isEmpty ? [] : hashes[position - 1] }
}
