import Sim

/// A request of a simulated run as a client sees it.
package struct ClientRequest: Sendable {
  package var record: RequestRecord
  /// Between its tokens, in order; empty if it was not served.
  package var gaps: [SimDuration] = []

  package var isServed: Bool { record.outcome.isServed }
  /// Seconds from its sending to the first token and to the last; `nil` if it was not served.
  package var ttft: Double? { isServed ? record.ttft?.seconds : nil }
  package var latency: Double? { isServed ? record.e2e.seconds : nil }
  package var output: Int { isServed ? record.output : 0 }
}

/// What clients see of a run that goes step by step: every request, and when each of its tokens appeared.
///
/// Each step of an instance that decodes gives one token to every request that decodes there. Requests join with the token
/// that ends their prefill, or a recompute.
package final class ClientLog: RunObserver {
  private struct Stream {
    var request: RequestID
    var last: SimTime
    var gaps: [SimDuration] = []
  }
  /// By instance, those that decode there.
  private var decoding: [[Stream]] = []
  /// Those that wait to be computed again, or have just ended.
  private var paused: [RequestID: Stream] = [:]
  private var ended: [ClientRequest] = []

  package init() {}

  /// All that have ended, in the order in which they were sent.
  package var requests: [ClientRequest] { ended.sorted { $0.record.id.index < $1.record.id.index } }

  package var watchesAll: Bool { true }

  package func worked(_ work: WorkRecord) {
    guard work.decoding > 0 else { return }
    let instance = work.instance.index
    precondition(
      work.steps == 1 && work.decoding == decoding[instance].count, "a token for each request that decodes")
    for index in decoding[instance].indices { Self.add(work.end, to: &decoding[instance][index]) }
  }

  private static func add(_ time: SimTime, to stream: inout Stream) {
    stream.gaps.append(time - stream.last)
    stream.last = time
  }

  package func changed(_ change: RequestChange) {
    let instance = change.instance.index
    while decoding.count <= instance { decoding.append([]) }
    switch change.kind {
    case .firstToken:
      decoding[instance].append(Stream(request: change.request, last: change.time))
    case .resumed:
      guard var stream = paused.removeValue(forKey: change.request) else { return }
      Self.add(change.time, to: &stream)
      decoding[instance].append(stream)
    case .preempted, .completed, .rejected:
      // One that is preempted in its prefill has no token yet.
      guard let index = decoding[instance].firstIndex(where: { $0.request == change.request }) else { return }
      paused[change.request] = decoding[instance].remove(at: index)
    case .admitted, .placed, .moved, .landed: break
    }
  }

  package func requestEnded(_ record: RequestRecord) {
    let gaps = paused.removeValue(forKey: record.id)?.gaps ?? []
    guard record.outcome.isServed else { return ended.append(ClientRequest(record: record)) }
    precondition(gaps.count == record.generated - 1, "a gap before every token but the first")
    ended.append(ClientRequest(record: record, gaps: gaps))
  }
}

extension ClientFigures {
  /// Those of the served ones of `requests`; where `isMute` holds of one, its answer has no token and no times.
  package init(_ requests: [ClientRequest], isMute: (ClientRequest) -> Bool = { _ in false }) {
    let served = requests.filter(\.isServed)
    for request in served {
      let mute = isMute(request)
      add(
        ttft: mute ? nil : request.ttft, latency: mute ? nil : request.latency,
        output: mute ? 0 : request.output, gaps: mute ? [] : request.gaps.map(\.seconds))
    }
    if let start = served.map(\.record.arrival).min(), let end = served.map(\.record.ended).max() {
      duration = (end - start).seconds
    }
    sort()
  }
}
