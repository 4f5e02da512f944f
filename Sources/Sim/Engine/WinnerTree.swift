/// The pending event of every instance: a tournament over (time, instance), its winner the next to happen.
///
/// Law: `earliest` is the least (time, instance) over all instances; equal times go to the lowest instance.
/// An instance has at most one pending event, so the queue's size is the number of instances, never the number
/// of events. `set` is O(log instances), `earliest` is O(1).
struct WinnerTree {
  private let leaves: Int
  private var times: ContiguousArray<Int64>
  /// Winner (instance) of every inner node; node 1 is the root, node n has children 2n and 2n + 1.
  private var winners: ContiguousArray<Int32>

  init(count: Int) {
    var leaves = 1
    while leaves < count { leaves *= 2 }
    self.leaves = leaves
    times = ContiguousArray(repeating: .max, count: leaves)
    winners = ContiguousArray(repeating: 0, count: max(2, leaves))
    var node = leaves - 1
    while node >= 1 {
      winners[node] = winner(of: 2 * node)
      node -= 1
    }
  }

  /// The time of the earliest pending event, `Int64.max` if there is none.
  var earliestTime: Int64 { times[earliestInstance] }
  var earliestInstance: Int { leaves == 1 ? 0 : Int(winners[1]) }

  mutating func set(_ instance: Int, to time: Int64) {
    times[instance] = time
    var node = (leaves + instance) / 2
    while node >= 1 {
      let left = winner(of: 2 * node)
      let right = winner(of: 2 * node + 1)
      winners[node] = times[Int(right)] < times[Int(left)] ? right : left
      node /= 2
    }
  }

  private func winner(of node: Int) -> Int32 {
    node >= leaves ? Int32(node - leaves) : winners[node]
  }
}
