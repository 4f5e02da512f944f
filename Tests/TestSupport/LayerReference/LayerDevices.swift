import Sim

/// A piece of work for a GPU.
struct LayerWork {
  enum Kind {
    case embedding, pre, attention, merge, post, head
    /// A part of another instance's attention.
    case partial(LayerAsk)

    var name: String {
      switch self {
      case .embedding: "embedding"
      case .pre: "pre"
      case .attention: "attention"
      case .merge: "merge"
      case .post: "post"
      case .head: "head"
      case .partial: "partial"
      }
    }
  }

  var kind: Kind
  /// The instance that it is for.
  var asker: Int
  var ready: Int64
  var duration: Int64
}

/// One GPU: one piece of work at a time, in the order in which they became ready.
struct LayerGPU {
  let instance: Int
  private(set) var account = LayerRun.GPU()
  private var queue: [LayerWork] = []
  private var current: LayerWork?
  private var freeSince: Int64

  init(instance: Int, from start: Int64) {
    self.instance = instance
    freeSince = start
  }

  mutating func give(_ work: LayerWork) { queue.append(work) }

  /// Begins the next piece of work, if there is any and the GPU is free.
  mutating func begin(at now: Int64) -> LayerWork? {
    guard current == nil else { return nil }
    // Of the first to become ready its own comes first, then that of the lowest instance, then the one given first.
    func key(_ place: Int) -> (Int64, Int, Int) {
      let work = queue[place]
      return (work.ready, work.asker == instance ? -1 : work.asker, place)
    }
    guard let place = queue.indices.min(by: { key($0) < key($1) }) else { return nil }
    current = queue.remove(at: place)
    account.waited += now - freeSince
    return current
  }

  /// Ends the piece of work under way.
  mutating func end(at now: Int64) -> LayerWork {
    guard let work = current else { preconditionFailure("a GPU ends work that it has begun") }
    current = nil
    freeSince = now
    if work.asker == instance { account.own += work.duration } else { account.others += work.duration }
    return work
  }

  /// Nothing comes any more: the account up to `end`.
  mutating func close(at end: Int64) -> LayerRun.GPU {
    precondition(current == nil && queue.isEmpty, "a GPU has done all its work when the last request ends")
    account.waited += end - freeSince
    freeSince = end
    return account
  }
}

/// One direction between two instances: one message after the other.
struct LayerLink {
  let costs: LinkCosts
  private var freeAt: Int64 = 0

  init(_ costs: LinkCosts) { self.costs = costs }

  /// Takes a message, and says when it lands.
  mutating func send(bytes: Int, at now: Int64) -> Int64 {
    freeAt = max(freeAt, now) + costs.transfer(bytes: bytes)
    return freeAt + costs.latency
  }
}
