import Output
import Sim

/// The requests of a run as CSV, in order of arrival, written as they end: one that ends before an older one waits for
/// it, so memory follows the longest lives, not the run.
///
/// Times are exact: picoseconds since the first arrival; empty where the request never got that far. `output_tokens` is what the
/// request was to emit: what it asked for, or as much of it as the context allows.
package final class RequestCSV: RunObserver {
  /// Complete when every request has ended; then to be published.
  package let file: OutputWriter
  /// Where the source of the run notes what requests ask for.
  package let asked = AskedOutputs()
  /// The number of the next request to write, and those after it that have ended, by number modulo the ring's size.
  private var next = 0
  private var ring: [RequestRecord?] = Array(repeating: nil, count: 1_024)

  package init(_ target: OutputFile) throws(OutputError) {
    file = try OutputWriter(target)
    file.write(
      """
      request,arrival_ps,prompt_tokens,output_tokens,generated_tokens,home,admitted_ps,first_token_ps,ended_ps,outcome,\
      preemptions,borrowed_blocks_peak,asked_output_tokens
      """)
    file.endLine()
  }

  package func requestEnded(_ record: RequestRecord) {
    guard record.id.index == next else {
      while record.id.index - next >= ring.count { growRing() }
      ring[record.id.index & (ring.count - 1)] = record
      return
    }
    write(record)
    next += 1
    while let waiting = ring[next & (ring.count - 1)], waiting.id.index == next {
      ring[next & (ring.count - 1)] = nil
      write(waiting)
      next += 1
    }
  }

  private func growRing() {
    var larger: [RequestRecord?] = Array(repeating: nil, count: 2 * ring.count)
    for case .some(let record) in ring { larger[record.id.index & (larger.count - 1)] = record }
    ring = larger
  }

  private func write(_ record: RequestRecord) {
    file.write(Int64(record.id.index))
    number(record.arrival.picoseconds)
    number(Int64(record.prompt))
    number(Int64(record.output))
    number(Int64(record.generated))
    number(Int64(record.home.index))
    number(record.admitted?.picoseconds)
    number(record.firstToken?.picoseconds)
    number(record.ended.picoseconds)
    file.write(",")
    file.write(record.outcome.text)
    number(Int64(record.preemptions))
    number(Int64(record.borrowedBlocksPeak))
    number(Int64(asked.take(record.id.index) ?? record.output))
    file.endLine()
  }

  private func number(_ value: Int64?) {
    file.write("," as Unicode.Scalar)
    if let value { file.write(value) }
  }
}
