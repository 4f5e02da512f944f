/// The cluster as a policy may see it: exact, at this instant, read-only. It cannot be kept or copied. A
/// question about an instance that is not there traps.
public struct ClusterView: ~Copyable {
  private let state: UnsafePointer<SimulationState>

  fileprivate init(_ state: UnsafePointer<SimulationState>) { self.state = state }

  /// Instances, numbered from 0.
  public var count: Int { state.pointee.instanceCount }

  private func at(_ i: InstanceID) -> Int { state.pointee.checked(i) }

  /// KV blocks that an instance can use, and those that admissions leave free.
  public var blocksPerInstance: KVBlocks { KVBlocks(state.pointee.usableBlocks) }
  public var watermark: KVBlocks { KVBlocks(state.pointee.watermark) }
  /// Whether an instance is up. One that is down has no free block, and is never the least loaded.
  public func isUp(_ i: InstanceID) -> Bool { state.pointee.instances[at(i)].isUp }
  /// KV blocks that an instance can use now: faults may have taken some, and all of one that is down.
  public func capacity(_ i: InstanceID) -> KVBlocks {
    KVBlocks(state.pointee.usableBlocks - state.pointee.instances[at(i)].withheldBlocks)
  }
  /// Whether messages get through between two instances, both ways: without that neither lends to the other.
  public func reaches(_ a: InstanceID, _ b: InstanceID) -> Bool { state.pointee.reaches(at(a), at(b)) }
  public var blockSize: Int { state.pointee.blockSize }

  /// Requests waiting at an instance.
  public func queued(_ i: InstanceID) -> Int { state.pointee.instances[at(i)].queue.count }

  /// Requests in the batch of an instance or being prefilled there.
  public func running(_ i: InstanceID) -> Int { state.pointee.running(on: at(i)) }

  /// The instance with the fewest requests queued and running, ties to the lowest. O(log instances).
  public var leastLoaded: InstanceID { InstanceID(state.pointee.loads.earliestInstance) }

  /// Blocks not in use, exact at this instant.
  public func free(_ i: InstanceID) -> KVBlocks { KVBlocks(state.pointee.freeBlocks(of: at(i))) }

  /// Blocks that an instance may lend: those free above its watermark that no prompt under way there will take, less what its
  /// own requests are left; less than none if growth has used some of that.
  public func lendable(_ i: InstanceID, for ask: LoanRequest) -> Int {
    state.pointee.lendableBlocks(of: at(i)) - running(i) * ask.leaves.count
  }

  /// Free blocks less those that the prompts in the queue will take; negative when they are more. O(queue).
  public func freeAfterQueue(_ i: InstanceID) -> Int {
    var free = state.pointee.freeBlocks(of: at(i))
    var slot = state.pointee.instances[at(i)].queue.head
    while slot >= 0 {
      free -= state.pointee.blocks(for: state.pointee.requests[Int(slot)].length)
      slot = state.pointee.requests[Int(slot)].next
    }
    return free
  }

  /// Prompt tokens that wait at an instance or are being prefilled there. O(queue).
  public func promptTokens(_ i: InstanceID) -> Int {
    var tokens = 0
    var slot = state.pointee.instances[at(i)].queue.head
    while slot >= 0 {
      tokens += state.pointee.requests[Int(slot)].length
      slot = state.pointee.requests[Int(slot)].next
    }
    let partial = Int(state.pointee.instances[at(i)].partial)
    if partial >= 0 {
      tokens += state.pointee.requests[partial].length - state.pointee.requests[partial].stored
      // Chunks of a run under way that are over are booked at its end.
      let done = Int(state.pointee.progress(of: at(i)).completed)
      tokens -= done * state.pointee.instances[at(i)].run.chunk
    }
    for chunk in state.pointee.instances[at(i)].chunks where chunk.slot >= 0 && Int(chunk.slot) != partial {
      tokens += chunk.tokens
    }
    return tokens
  }

  /// Requests that an instance may run at once.
  public var mostSequences: Int { state.pointee.options.maxNumSeqs }

  public func sameNode(_ a: InstanceID, _ b: InstanceID) -> Bool {
    state.pointee.configuration.topology.sameNode(at(a), at(b))
  }

  /// Whether the attention to `tokens` tokens of a prompt takes `host` as long as what is sent for it, chunk by chunk: if not, the
  /// home had better keep them.
  public func isWorthSending(_ tokens: Int, from home: InstanceID, to host: InstanceID) -> Bool {
    state.pointee.isWorthSending(tokens, from: at(home), to: at(host))
  }

  /// Whether one more borrowing request of `home` could use the link to `host` without its home waiting: query,
  /// partial result and the new token's keys and values, over the link, fit the home's own non-attention work.
  public func linkFits(from home: InstanceID, to host: InstanceID) -> Bool {
    state.pointee.linkFits(from: at(home), to: at(host))
  }
}

extension SimulationState {
  /// The index of an instance that a policy asks for. What it returns is checked in `SimulationState+Policy.swift`.
  func checked(_ i: InstanceID) -> Int {
    precondition(
      i.index >= 0 && i.index < instanceCount,
      "a policy asked for instance \(i.index), expected 0 to \(instanceCount - 1)")
    return i.index
  }

  /// Lends a view of the state for the length of one call.
  func withClusterView<Result>(_ body: (borrowing ClusterView) -> Result) -> Result {
    withUnsafePointer(to: self) { body(ClusterView($0)) }
  }

  func requestView(_ slot: Int) -> RequestView {
    let r = requests[slot]
    let steps = r.phase == .decoding ? Int(instances[r.home].clock - r.joinClock) : 0
    return RequestView(
      id: RequestID(r.id), arrival: SimTime(picoseconds: r.arrival), prompt: Tokens(r.prompt),
      generated: Tokens(r.generated + steps))
  }

  /// Of a chunk of the whole budget, halfway through the prompt.
  func isWorthSending(_ tokens: Int, from home: Int, to host: Int) -> Bool {
    let chunk = options.maxNumBatchedTokens
    let sent = costs.exchange(over: exchangeLink(home, host), queries: chunk) + costs.prefillFloor
    return Int128(costs.prefillPairRate) * Int128(chunk) * Int128(tokens) >= 2 * Int128(sent)
  }

  /// semantics.md 22: the overlap limit on a link.
  func linkFits(from home: Int, to host: Int) -> Bool {
    guard reaches(home, host) else { return false }
    let link = exchangeLink(home, host)
    var users = 0
    for index in instances[host].loans {
      let loan = loans[Int(index)]
      if loan.blocks > 0, requests[Int(loan.slot)].home == home { users += 1 }
    }
    return linkFits(link, queries: users + 1, batch: running(on: home) + 1)
  }
}
