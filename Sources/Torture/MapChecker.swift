@_spi(Checking) import Sim

/// Holds the gManager's map against what the instances held when their heartbeats were sent, and its age against what the
/// network allows.
public struct MapChecker {
  public private(set) var violation: (law: String, details: String)?
  /// Views found equal to the truth of their heartbeat.
  public private(set) var comparisons = 0
  /// Instants at which the map was due to be recent, and was.
  public private(set) var timely = 0
  /// The last of them at which the view of every instance that is up had been found equal to the truth.
  public private(set) var lastTrue: SimTime?

  /// When the gManager is down, as far as is known: those of the past, or all.
  public var outages: [Range<SimTime>] = []

  private let managers: ProtocolOptions
  private let period: SimDuration
  private let blockSize: Int
  private let silence: SimDuration
  private var last: [Holding] = []
  /// By instance: what it held at instants in the middle of its step, that changed nothing of it.
  private var quiet: [[(time: SimTime, rows: [Row])]] = []
  /// When the heartbeats were sent that the views rest on, as of the instant before.
  private var newest: [SimTime?] = []
  /// Since when there has always been a live request, so that heartbeats are sent.
  private var busySince: SimTime?
  /// By instance: since when it has been up.
  private var upSince: [SimTime?] = []

  /// A request, where it belongs, and its blocks.
  private struct Row: Hashable {
    var request: Int
    var home: Int
    var blocks: Int
  }

  private struct Holding: Equatable {
    var rows: [Row]
    var busyUntil: SimTime?
    var isUp: Bool
  }

  public init(_ managers: ProtocolOptions, period: SimDuration, blockSize: Int) {
    self.managers = managers
    self.period = managers.heartbeatPeriod ?? period
    self.blockSize = blockSize
    silence = managers.silence ?? self.period * 5 + managers.slowest
  }

  /// To be called at the end of every instant.
  /// - Parameter hasOrdered: whether the gManager has ordered a move in it.
  @_spi(Checking) public mutating func inspect(_ snapshot: ClusterSnapshot, hasOrdered: Bool) {
    let now = zip(truth(snapshot), snapshot.instances).map {
      Holding(rows: $0, busyUntil: $1.busyUntil, isUp: $1.isUp)
    }
    if quiet.isEmpty {
      newest = snapshot.views.map(\.sent)
      quiet = Array(repeating: [], count: now.count)
      upSince = now.map { $0.isUp ? .zero : nil }
    }
    for (i, (before, after)) in zip(last, now).enumerated() where before == after {
      quiet[i].append((snapshot.time, after.rows))
    }
    last = now
    for i in now.indices { upSince[i] = now[i].isUp ? upSince[i] ?? snapshot.time : nil }
    let isTrue = checkViews(snapshot)
    newest = snapshot.views.map(\.sent)
    let restart = outages.last { $0.upperBound <= snapshot.time }?.upperBound ?? .zero
    if hasOrdered, snapshot.time < restart + silence, snapshot.views.contains(where: { $0.sent == nil }) {
      report(
        "a gManager that has just started waits for every instance", "at \(snapshot.time.picoseconds) ps")
    }
    if isDown(at: snapshot.time), snapshot.views.contains(where: { $0.sent != nil }) {
      report("a gManager that has crashed knows nothing", "at \(snapshot.time.picoseconds) ps")
    }
    if checkAge(snapshot), isTrue { lastTrue = snapshot.time }
  }

  private func isDown(at time: SimTime) -> Bool { outages.contains { $0.contains(time) } }

  private mutating func report(_ law: String, _ details: String) {
    if violation == nil { violation = (law, details) }
  }

  /// Returns whether the views of all instances that are up could be compared with the truth.
  private mutating func checkViews(_ snapshot: ClusterSnapshot) -> Bool {
    var isTrue = true
    for (i, view) in snapshot.views.enumerated() {
      guard let sent = view.sent else {
        isTrue = isTrue && !snapshot.instances[i].isUp
        continue
      }
      if sent > snapshot.time { report("no heartbeat comes before it is sent", "instance \(i), \(sent)") }
      if let before = newest[i], sent < before {
        report("an older heartbeat never overwrites a newer one", "instance \(i), \(sent) after \(before)")
      }
      guard let expected = held(by: i, at: sent) else {
        isTrue = isTrue && !snapshot.instances[i].isUp
        continue
      }
      comparisons += 1
      let found = view.rows.map {
        Row(request: $0.request.index, home: $0.home.index, blocks: $0.blocks.count)
      }
      if found != expected {
        report(
          "the map is what an instance held at its last heartbeat",
          "instance \(i) at \(sent.picoseconds) ps: \(expected), found \(found)")
      }
    }
    return isTrue
  }

  /// What an instance held at an instant in the middle of its step; `nil` if that is not known.
  private func held(by i: Int, at time: SimTime) -> [Row]? {
    // By ascending time; a heartbeat is seldom old.
    guard let found = quiet[i].last(where: { $0.time <= time }), found.time == time else { return nil }
    return found.rows
  }

  /// What each instance holds of requests that decode there, and for others.
  private func truth(_ snapshot: ClusterSnapshot) -> [[Row]] {
    var rows = Array(repeating: [Row](), count: snapshot.instances.count)
    for placement in snapshot.placements {
      let (request, home) = (placement.request.index, placement.home.index)
      let atHome = (placement.tokensAtHome + blockSize - 1) / blockSize
      if placement.phase == .decoding, atHome > 0 {
        rows[home].append(Row(request: request, home: home, blocks: atHome))
      }
      for loan in placement.loans where loan.blocks > 0 {
        rows[loan.host.index].append(Row(request: request, home: home, blocks: loan.blocks))
      }
    }
    return rows
  }

  /// Once nothing is lost any more the next full heartbeat of an instance comes within so many periods, and from then on
  /// the map is as old as a period and a message. Returns whether it was due to be, and was.
  private mutating func checkAge(_ snapshot: ClusterSnapshot) -> Bool {
    if snapshot.placements.isEmpty {
      busySince = nil
    } else if busySince == nil {
      busySince = snapshot.time
    }
    guard let busySince, !isDown(at: snapshot.time) else { return false }
    let slowest = managers.slowest * (managers.reorderPermille > 0 ? 4 : 1)
    let settling = period * Int64(managers.fullHeartbeatEvery + 2) + slowest * 2
    // Heartbeats that overtake each other all the time leave gaps all the time.
    guard managers.jitter < period else { return false }
    let isReliable = managers.lossPermille == 0 && managers.reorderPermille == 0
    let reliableSince = isReliable ? .zero : managers.unreliableUntil
    guard reliableSince.picoseconds < .max / 2 else { return false }
    let restart = outages.last { $0.lowerBound <= snapshot.time }?.upperBound ?? .zero
    let oldest = SimTime(picoseconds: snapshot.time.picoseconds - (period * 2 + slowest * 2).picoseconds)
    var isDue = !snapshot.views.isEmpty
    for (i, view) in snapshot.views.enumerated() {
      guard let up = upSince[i] else { continue }
      guard snapshot.time >= max(busySince, reliableSince, restart, up) + settling else {
        isDue = false
        continue
      }
      guard let sent = view.sent, sent >= oldest else {
        report(
          "the map converges once messages flow",
          "instance \(i) at \(snapshot.time.picoseconds) ps: \(String(describing: view.sent))")
        return false
      }
    }
    timely += isDue ? 1 : 0
    return isDue
  }
}
