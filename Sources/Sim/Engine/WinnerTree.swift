/// The pending event of every instance: a tournament over (time, instance), its winner the next to happen. What else is
/// looked for by its least, such as the requests at an instance, stands in one in the place of times.
///
/// Law: `earliest` is the least (time, instance) over all instances; equal times go to the lowest instance.
/// An instance has at most one pending event, so the queue's size is the number of instances, never the number
/// of events. `set` and `earliestInstance` are O(log instances), `earliestTime` is O(1). `set` does not stop where the
/// winning time stays the same: that branch is missed more often than the levels above it cost.
struct WinnerTree: ~Copyable {
  private let leaves: Int
  /// The least time below every node: node 1 is the root, node n has children 2n and 2n + 1, and the leaf of instance
  /// i is node `leaves` + i.
  private var times: Slab<Int64>

  init(count: Int) {
    var leaves = 1
    while leaves < count { leaves *= 2 }
    self.leaves = leaves
    times = Slab(repeating: .max, count: 2 * leaves)
  }

  /// The time of the earliest pending event, `Int64.max` if there is none.
  var earliestTime: Int64 { times[1] }

  var earliestInstance: Int {
    let earliest = times[1]
    var node = 1
    while node < leaves {
      // The left child wins a tie; adding the comparison needs no branch on it.
      node = 2 * node + (times[2 * node] == earliest ? 0 : 1)
    }
    return node - leaves
  }

  /// The time of one instance's pending event.
  func time(of instance: Int) -> Int64 { times[leaves + instance] }

  /// Visits the instances whose time is below `limit`, ascending; `body` returns the limit for those after it.
  func visit(below limit: Int64, _ body: (Int) -> Int64) {
    var limit = limit
    var node = 1
    while node > 0 {
      if times[node] < limit {
        if node < leaves {
          node *= 2
          continue
        }
        limit = body(node - leaves)
      }
      // Up from right children; then on to the right one.
      while node & 1 == 1 { node >>= 1 }
      if node > 0 { node += 1 }
    }
  }

  mutating func set(_ instance: Int, to time: Int64) {
    var node = leaves + instance
    var least = time
    times[node] = time
    while node > 1 {
      least = min(least, times[node ^ 1])
      node >>= 1
      times[node] = least
    }
  }
}
