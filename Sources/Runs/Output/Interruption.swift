import Foundation
import Output
import Synchronization

/// The end by a signal: nothing half done is left behind, and one line says what was kept and how to go on.
package enum Interruption {
  private static let signals: [(number: Int32, name: String)] = [
    (SIGINT, "SIGINT"), (SIGTERM, "SIGTERM"), (SIGHUP, "SIGHUP"),
  ]
  private static let kept = Mutex<(@Sendable () -> String)?>(nil)
  private static let state = Mutex((isEnding: false, sources: [any DispatchSourceSignal]()))

  /// Ends the process with 128 + the signal's number, as the shell says it, when one comes; at once when a second does.
  ///
  /// A signal that is ignored, as `nohup` and a shell's `&` have it, stays so.
  package static func watch() {
    let queue = DispatchQueue(label: "signals")
    for (number, name) in signals {
      let before = signal(number, SIG_IGN)
      if unsafeBitCast(before, to: Int.self) == unsafeBitCast(SIG_IGN, to: Int.self) { continue }
      let source = DispatchSource.makeSignalSource(signal: number, queue: queue)
      source.setEventHandler {
        let code = 128 + number
        let isSecond = state.withLock { state in
          defer { state.isEnding = true }
          return state.isEnding
        }
        if isSecond { _exit(code) }
        // This queue is to hear of a second one.
        Thread.detachNewThread { end(name, code) }
      }
      source.activate()
      state.withLock { $0.sources.append(source) }
    }
  }

  /// From now on `sentence` says what is kept if the process is stopped, such as "12 of 40 runs are kept in runs.db".
  package static func keeps(_ sentence: @escaping @Sendable () -> String) { kept.withLock { $0 = sentence } }

  private static func end(_ signal: String, _ code: Int32) -> Never {
    let kept = kept.withLock { $0?() }
    Leftovers.end { written in
      var words = written.isEmpty ? [] : ["\(written.joined(separator: ", ")) written whole"]
      if let kept { words.append(kept) }
      // A line of progress may stand there.
      let start = isatty(STDERR_FILENO) == 1 ? "\n" : ""
      writeToStandardError(
        "\(start)stopped by \(signal): \(words.isEmpty ? "nothing was kept" : words.joined(separator: "; ")); "
          + "the same command \(kept == nil ? "begins again" : "goes on from there")\n")
      _exit(code)
    }
  }
}
