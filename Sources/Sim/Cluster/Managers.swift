/// Messages between the gManager and the rManagers; heartbeats change nothing and are read as `PlacementMap`. They are messages even without delay: with zero delay they
/// are delivered in rounds inside the instant they are sent in (semantics.md 2).
struct Message {
  enum Payload {
    /// gManager → the rManager that holds the blocks.
    case moveKVCache(MoveOrder)
    /// Source → destination: reserve room, first come, first served.
    case tryMoveKVCache(MoveOrder)
    /// Destination → source: reserved, or not.
    case tryMoveReply(MoveOrder, accepted: Bool)
  }

  /// An instance, or −1 for the gManager.
  var receiver: Int
  var sender: Int
  var payload: Payload
}
