import Testing

import Sim

@Suite struct TimeAccountTests {
  private func arrival(_ id: Int, at ps: Int64) -> ArrivalRecord {
    ArrivalRecord(
      time: SimTime(picoseconds: ps), request: RequestID(id), home: InstanceID(0), load: id, leastLoad: 0,
      mostLoad: 0,
      queued: 0, freeBlocks: 0, mostFreeBlocks: 0)
  }

  private func change(_ kind: RequestChange.Kind, _ id: Int, at ps: Int64) -> RequestChange {
    RequestChange(
      time: SimTime(picoseconds: ps), kind: kind, request: RequestID(id), instance: InstanceID(0), blocks: 0)
  }

  /// Lives of very different lengths, so that ids of live requests lie far apart and slots are used again.
  @Test func `a request has its own account however long it lives and whoever lives beside it`() {
    let count = 20_000
    var account = TimeAccount()
    // The request of number `id` arrives at `id` and ends, having only queued, at `ends`.
    var ends: [Int: [Int]] = [:]
    for id in 0..<count {
      let life = id % 4_999 == 0 ? 9_000 : id % 97 == 0 ? 1_500 : 1 + id % 7
      ends[id + life, default: []].append(id)
    }
    var taken = 0
    for now in 0...(count + 9_000) {
      for id in ends[now] ?? [] {
        account.changed(change(.completed, id, at: Int64(now)))
        let known = account.take(RequestID(id))
        #expect(known?.arrival?.load == id)
        #expect(known?.time[.queued] == SimDuration(picoseconds: Int64(now - id)))
        #expect(known?.time.total == known?.time[.queued])
        #expect(account.take(RequestID(id)) == nil)
        taken += 1
      }
      if now < count { account.arrived(arrival(now, at: Int64(now))) }
    }
    #expect(taken == count)
  }

  @Test func `changes of a request never heard of are passed over, but for a rejection`() {
    var account = TimeAccount()
    account.changed(change(.admitted, 5, at: 1))
    #expect(account.take(RequestID(5)) == nil)
    account.changed(change(.rejected, 5, at: 1))
    let known = account.take(RequestID(5))
    #expect(known != nil && known?.arrival == nil && known?.time.total == .zero)
    // Five shares its place with 1,029.
    account.arrived(arrival(5, at: 2))
    account.changed(change(.admitted, 1_029, at: 3))
    account.changed(change(.completed, 5, at: 4))
    #expect(account.take(RequestID(1_029)) == nil)
    #expect(account.take(RequestID(5))?.time[.queued] == SimDuration(picoseconds: 2))
  }
}
