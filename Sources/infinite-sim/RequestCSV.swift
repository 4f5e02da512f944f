import Sim

/// The requests of a run as CSV, in order of arrival.
final class RequestCSV: RunObserver {
  private var records: [RequestRecord] = []

  func requestEnded(_ record: RequestRecord) { records.append(record) }

  /// Times are exact: picoseconds since the first arrival; empty where the request never got that far.
  var text: String {
    var out =
      "request,arrival_ps,prompt_tokens,output_tokens,generated_tokens,home,admitted_ps,first_token_ps,"
      + "ended_ps,outcome,preemptions,borrowed_blocks_peak\n"
    for record in records.sorted(by: { $0.id < $1.id }) {
      let outcome =
        switch record.outcome {
        case .completed: "completed"
        case .rejected(let reason): reason.rawValue
        }
      let times = [record.admitted, record.firstToken].map { $0.map { String($0.picoseconds) } ?? "" }
      out +=
        "\(record.id.index),\(record.arrival.picoseconds),\(record.prompt),\(record.output),"
        + "\(record.generated),\(record.home.index),\(times[0]),\(times[1]),\(record.ended.picoseconds),"
        + "\(outcome),\(record.preemptions),\(record.borrowedBlocksPeak)\n"
    }
    return out
  }
}
