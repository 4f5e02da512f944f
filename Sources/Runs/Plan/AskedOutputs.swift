import Sim

/// The outputs that a trace asks for, of the requests that have not ended: a record has what was served, which the context may
/// have cut.
package final class AskedOutputs {
  private var outputs: [Int: Int] = [:]

  package init() {}

  /// The output that request number `index` asked for, once; `nil` if it was not handed out.
  func take(_ index: Int) -> Int? { outputs.removeValue(forKey: index) }

  /// `source`, whose requests are noted as they are handed out.
  package func noting(_ source: any RequestSource) -> any RequestSource {
    NotingSource(base: source, asked: self)
  }

  private struct NotingSource: RequestSource {
    var base: any RequestSource
    let asked: AskedOutputs
    /// How many have been handed out: the number of the next.
    var count = 0

    var info: RequestSourceInfo { base.info }
    var prefix: ContiguousArray<UInt64> { base.prefix }
    var isClosedLoop: Bool { base.isClosedLoop }

    mutating func next() throws -> TraceRequest? {
      guard let request = try base.next() else { return nil }
      asked.outputs[count] = request.output
      count += 1
      return request
    }

    mutating func ended(_ index: Int, at time: SimTime) { base.ended(index, at: time) }

    mutating func putBack(_ request: TraceRequest) {
      count -= 1
      asked.outputs[count] = nil
      base.putBack(request)
    }
  }
}
