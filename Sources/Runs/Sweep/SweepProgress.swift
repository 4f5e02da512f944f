import Formatting
import Foundation
import Synchronization

/// How far a sweep has come, on stderr: one line that changes on a terminal, else a line every ten seconds.
package final class SweepProgress: Sendable {
  private struct State {
    var total = 0
    var done = 0
    var lastShown = ContinuousClock.now
    var width = 0
  }
  private let state = Mutex(State())
  private let isQuiet: Bool
  private let isTerminal: Bool
  private let begin = ContinuousClock.now

  package init(quiet: Bool) {
    isQuiet = quiet
    isTerminal = isatty(STDERR_FILENO) == 1
  }

  /// So many more runs are to be made.
  package func expect(_ runs: Int) { state.withLock { $0.total += runs } }

  /// A run is done.
  package func advance() {
    state.withLock { state in
      state.done += 1
      let now = ContinuousClock.now
      guard !isQuiet, now - state.lastShown >= (isTerminal ? .milliseconds(100) : .seconds(10)) else {
        return
      }
      state.lastShown = now
      let text = Self.text(done: state.done, total: state.total, elapsed: (now - begin).inSeconds)
      if isTerminal {
        writeToStandardError("\r" + text + String(repeating: " ", count: max(0, state.width - text.count)))
        state.width = text.count
      } else {
        writeToStandardError(text + "\n")
      }
    }
  }

  /// "12 of 40", the runs that were made of those that were missing.
  package var text: String { state.withLock { "\(grouped($0.done)) of \(grouped($0.total))" } }

  /// "12 of 40 runs (30 %), 14 s left".
  static func text(done: Int, total: Int, elapsed: Double) -> String {
    let left = Double(total - done) * elapsed / Double(max(done, 1))
    return
      "\(grouped(done)) of \(grouped(total)) runs (\(done * 100 / max(total, 1)) %), \(figure(left.rounded(.up))) s left"
  }

  /// Removes the line.
  package func clear() {
    state.withLock { state in
      guard state.width > 0 else { return }
      writeToStandardError("\r" + String(repeating: " ", count: state.width) + "\r")
      state.width = 0
    }
  }
}
