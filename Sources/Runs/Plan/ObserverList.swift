import Sim

/// Passes all that it is told to several observers: what only some watch, to those alone.
///
/// A chain, not an array: the event loop calls it for every change, and elements of an array are retained for each call.
package final class ObserverList: RunEventHandler {
  private let first, rest: any RunEventHandler
  private let firstWatches, restWatches: Bool

  /// Of at least two observers.
  package init(_ observers: [any RunEventHandler]) {
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
  package func managed(_ record: ProtocolRecord) {
    first.managed(record)
    rest.managed(record)
  }
  package func faulted(_ fault: FaultRecord) {
    first.faulted(fault)
    rest.faulted(fault)
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
