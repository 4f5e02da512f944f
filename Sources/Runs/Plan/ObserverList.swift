import Sim

/// Passes what it sees to several observers.
///
/// A chain, not an array: the event loop calls it for every change, and elements of an array are retained for each call.
package final class ObserverList: RunObserver {
  private let first, rest: any RunObserver
  private let firstWatches, restWatches: Bool

  /// Of at least two observers.
  package init(_ observers: [any RunObserver]) {
    first = observers[0]
    rest = observers.count > 2 ? ObserverList(Array(observers.dropFirst())) : observers[1]
    (firstWatches, restWatches) = (first.watchesAll, rest.watchesAll)
  }

  package func requestEnded(_ record: RequestRecord) {
    first.requestEnded(record)
    rest.requestEnded(record)
  }
  package func sampled(_ sample: InstanceSample) {
    if firstWatches { first.sampled(sample) }
    if restWatches { rest.sampled(sample) }
  }
  package func decided(_ decision: DecisionRecord) {
    first.decided(decision)
    rest.decided(decision)
  }
  package var watchesAll: Bool { firstWatches || restWatches }
  package func arrived(_ arrival: ArrivalRecord) {
    if firstWatches { first.arrived(arrival) }
    if restWatches { rest.arrived(arrival) }
  }
  package func changed(_ change: RequestChange) {
    if firstWatches { first.changed(change) }
    if restWatches { rest.changed(change) }
  }
  package func worked(_ work: WorkRecord) {
    if firstWatches { first.worked(work) }
    if restWatches { rest.worked(work) }
  }
}
