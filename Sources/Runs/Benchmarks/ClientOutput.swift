import ArgumentParser
import Output
import Results
import Sim

/// A result file of a benchmark's client, as which a run is written: `vllm=result.json`.
package struct ClientOutput: ExpressibleByArgument, Hashable, Sendable {
  package enum Format: String, CaseIterable, Sendable {
    case vllm, guidellm, aiperf
    case aiperfSummary = "aiperf-summary"
  }

  package var format: Format
  package var path: String

  package init?(argument: String) {
    let parts = argument.split(separator: "=", maxSplits: 1).map(String.init)
    guard parts.count == 2, let format = Format(rawValue: parts[0]) else { return nil }
    (self.format, path) = (format, parts[1])
  }

  /// What is written of `run`, to be published.
  package func write(_ run: ClientRun, to file: OutputFile) throws(OutputError) -> OutputWriter {
    let writer = try OutputWriter(file)
    switch format {
    case .vllm: VLLMResult(run).write(to: writer)
    case .guidellm: GuideLLMResult(run).write(to: writer)
    case .aiperf: AIPerfResult(run).writeRecords(to: writer)
    case .aiperfSummary: AIPerfResult(run).writeSummary(to: writer)
    }
    return writer
  }
}

/// A simulated run as its clients see it.
package struct ClientRun {
  package var model: String
  /// What was simulated, for readers of a file (`RunPlan.timelineTitle`).
  package var about: JSON
  package var requests: [ClientRequest]

  let figures: ClientFigures
  let served: [ClientRequest]

  package init(model: String, about: JSON, requests: [ClientRequest]) {
    (self.model, self.about, self.requests) = (model, about, requests)
    served = requests.filter(\.isServed)
    figures = ClientFigures(requests)
  }

  /// From the first sending to the end of all, those that were refused as well.
  var span: SimDuration {
    guard let start = requests.map(\.record.arrival).min(), let end = requests.map(\.record.ended).max()
    else {
      return .zero
    }
    return end - start
  }

  var isAtOnce: Bool { requests.allSatisfy { $0.record.arrival == requests[0].record.arrival } }
  var prompts: Int { served.reduce(0) { $0 + $1.record.prompt } }

  /// Why a request has no answer; empty if it has.
  static func error(of request: ClientRequest) -> String {
    request.isServed ? "" : "rejected: \(request.record.outcome.text)"
  }
}

extension SimTime {
  /// Rounded once, where `seconds` is twice: a reader that multiplies has the picosecond again, up to some 4,000 s.
  var exactSeconds: Double { Double(picoseconds) / 1e12 }
}
