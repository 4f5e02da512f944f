/// Messages between the gManager and the rManagers. They are messages even without delay: with zero delay they
/// are delivered in rounds inside the instant they are sent in (semantics.md 2).
struct Message {
  enum Payload {
    /// rManager → gManager: the changed rows of the placement map, and the instance's state.
    case heartbeat(rows: [PlacementRow], report: InstanceReport)
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

/// The manager of one instance: the source of truth about its blocks. It remembers what it has reported, so that a
/// heartbeat carries changed rows only.
struct RManager {
  /// Rows as last reported, by request.
  private var reported: [PlacementRow] = []

  /// The rows that differ from the last report; a row that is gone is sent with 0 blocks.
  mutating func changes(to current: [PlacementRow]) -> [PlacementRow] {
    var changed: [PlacementRow] = []
    var old = reported[...]
    for row in current {
      while let first = old.first, first.request < row.request {
        changed.append(Self.gone(old.removeFirst()))
      }
      if let first = old.first, first.request == row.request {
        if first != row { changed.append(row) }
        old.removeFirst()
      } else {
        changed.append(row)
      }
    }
    changed += old.map(Self.gone)
    reported = current
    return changed
  }

  private static func gone(_ row: PlacementRow) -> PlacementRow {
    var row = row
    row.blocks = .zero
    row.movable = .zero
    return row
  }
}

/// The central manager: merges heartbeats into the request placement map.
struct GManager {
  private var reports: [InstanceReport?]
  /// Per instance, by request.
  private var rows: [[PlacementRow]]

  init(instances: Int) {
    reports = Array(repeating: nil, count: instances)
    rows = Array(repeating: [], count: instances)
  }

  mutating func receive(rows changed: [PlacementRow], report: InstanceReport) {
    let i = report.instance.index
    reports[i] = report
    guard !changed.isEmpty else { return }
    var merged: [PlacementRow] = []
    merged.reserveCapacity(rows[i].count + changed.count)
    var old = rows[i][...]
    for row in changed {
      while let first = old.first, first.request < row.request { merged.append(old.removeFirst()) }
      if let first = old.first, first.request == row.request { old.removeFirst() }
      if row.blocks > .zero { merged.append(row) }
    }
    rows[i] = merged + old
  }

  /// Every instance's report and all rows by (request, instance); `nil` until every instance has reported.
  var map: (reports: [InstanceReport], rows: [PlacementRow])? {
    var known: [InstanceReport] = []
    for report in reports {
      guard let report else { return nil }
      known.append(report)
    }
    let all = rows.flatMap { $0 }.sorted { ($0.request, $0.instance) < ($1.request, $1.instance) }
    return (known, all)
  }
}
