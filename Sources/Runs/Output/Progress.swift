import Formatting
import Foundation
import Output
import Results
import Sim

/// One line on stderr that says how far a run has come; silent unless stderr is a terminal.
package final class ProgressLine {
  private let isShown: Bool
  private var lastShown = ContinuousClock.now
  private var width = 0

  package init(quiet: Bool) { isShown = !quiet && isatty(STDERR_FILENO) == 1 }

  /// A callback for the run of `policy`, or `nil` if nothing is to be shown.
  package func start(_ policy: String) -> ((RunProgress) -> Void)? {
    guard isShown else { return nil }
    let begin = ContinuousClock.now
    return { [self] progress in
      let now = ContinuousClock.now
      guard now - lastShown >= .milliseconds(100) else { return }
      lastShown = now
      show(Self.text(policy, ended: progress.ended, total: progress.total, elapsed: (now - begin).inSeconds))
    }
  }

  /// "vllm-m  1,200 of 19,366 requests (6 %), 2.1 M requests/s, 3 s left".
  package static func text(_ policy: String, ended: Int, total: Int, elapsed: Double) -> String {
    let rate = elapsed > 0 ? Double(ended) / elapsed : 0
    let share = total > 0 ? ended * 100 / total : 0
    var text = "\(policy)  \(grouped(ended)) of \(grouped(total)) requests (\(share) %)"
    if rate > 0 {
      let left = Double(total - ended) / rate
      text += ", \(figure(rate)) requests/s, \(figure(left.rounded(.up))) s left"
    }
    return text
  }

  /// Removes the line.
  package func clear() {
    guard width > 0 else { return }
    writeToStandardError("\r" + String(repeating: " ", count: width) + "\r")
    width = 0
  }

  private func show(_ text: String) {
    let padding = String(repeating: " ", count: max(0, width - text.count))
    writeToStandardError("\r" + text + padding)
    width = text.count
  }
}

/// Wall time of the event loops of a command.
package struct LoopTiming {
  private(set) var loopSeconds = 0.0
  package private(set) var requests = 0

  package init() {}

  package mutating func add(loop: Duration, requests: Int) {
    loopSeconds += loop.inSeconds
    self.requests += requests
  }

  /// The line of `--timing`.
  package var json: JSON {
    [
      // Nothing was replayed where the run was there already.
      "loop_s": .optional(loopSeconds > 0 ? loopSeconds : nil),
      "requests_per_s": .optional(loopSeconds > 0 ? Double(requests) / loopSeconds : nil),
      "peak_rss_mb": .optional(PeakMemory.bytes.map { Double($0) / 1e6 }),
    ]
  }
}

extension Duration {
  /// The span in seconds.
  package var inSeconds: Double {
    Double(components.seconds) + Double(components.attoseconds) * 1e-18
  }
}

/// Writes to stderr at once; if nobody can be told, nobody is.
package func writeToStandardError(_ text: String) {
  try? FileHandle.standardError.write(contentsOf: Data(text.utf8))
}

/// Writes to stdout at once.
package func writeToStandardOutput(_ text: String) throws(OutputError) { try StandardOutput.write(text) }
