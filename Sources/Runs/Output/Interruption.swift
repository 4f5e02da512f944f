import Foundation
import Output
import Synchronization

/// The end by a signal: nothing half done is left behind, and one line says what was kept and how to go on.
package enum Interruption {
  private static let signals: [(number: Int32, name: String)] = [
    (SIGINT, "SIGINT"), (SIGTERM, "SIGTERM"), (SIGHUP, "SIGHUP"),
  ]
  private static let kept = Mutex<(@Sendable () -> Kept?)?>(nil)
  /// Written once, by `watch`.
  nonisolated(unsafe) private static var sources: [any DispatchSourceSignal] = []

  /// What is kept, such as "12 complete runs are kept in runs.db", and whether the same command takes it from there.
  package struct Kept {
    var sentence: String
    var goesOn: Bool

    package init(_ sentence: String, goesOn: Bool = true) {
      (self.sentence, self.goesOn) = (sentence, goesOn)
    }
  }

  /// Ends the process with 128 + the signal's number, as the shell says it, when one comes. Others that come while it cleans up
  /// change nothing: a user who presses ^C twice, or a terminal that is closed, shall leave nothing half done.
  ///
  /// A signal that is ignored, as `nohup` and a shell's `&` have it, stays so.
  package static func watch() {
    let queue = DispatchQueue(label: "signals")
    for (number, name) in signals {
      let before = signal(number, SIG_IGN)
      if unsafeBitCast(before, to: Int.self) == unsafeBitCast(SIG_IGN, to: Int.self) { continue }
      let source = DispatchSource.makeSignalSource(signal: number, queue: queue)
      source.setEventHandler {
        end(name, 128 + number)
      }
      source.activate()
      sources.append(source)
    }
  }

  /// From now on `look` says what is kept if the process is stopped; it is asked when nothing is written any more, and returns
  /// `nil` for nothing.
  package static func keeps(_ look: @escaping @Sendable () -> Kept?) { kept.withLock { $0 = look } }

  private static func end(_ signal: String, _ code: Int32) -> Never {
    Leftovers.end { written in
      let kept = kept.withLock { $0 }?()
      var words = written.isEmpty ? [] : ["\(written.joined(separator: ", ")) written whole"]
      if let kept { words.append(kept.sentence) }
      // A line of progress may stand there.
      let start = isatty(STDERR_FILENO) == 1 ? "\n" : ""
      writeToStandardError(
        "\(start)stopped by \(signal): \(words.isEmpty ? "nothing was kept" : words.joined(separator: "; ")); "
          + "the same command \(kept?.goesOn == true ? "goes on from there" : "begins again")\n")
      _exit(code)
    }
  }
}
