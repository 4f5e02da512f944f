import Foundation

/// Says how to see a trial again whose thread traps: a precondition of the engine is a law as well. What the signal handler
/// reads is laid out before, and it calls nothing but what may be called there.
enum TrapReport {
  private static let most = 257
  private static let length = 256
  private nonisolated(unsafe) static let threads: UnsafeMutablePointer<pthread_t> = .allocate(capacity: most)
  private nonisolated(unsafe) static let texts: UnsafeMutablePointer<UInt8> = .allocate(
    capacity: most * length)
  private nonisolated(unsafe) static var count = 0

  /// - Parameter workers: threads whose traps are told of, at most 257.
  static func install(workers: Int) {
    precondition(workers <= most)
    threads.initialize(repeating: pthread_self(), count: most)
    texts.initialize(repeating: 0, count: most * length)
    count = workers
    for number in [SIGILL, SIGTRAP, SIGSEGV, SIGABRT] {
      signal(number) { number in
        TrapReport.tell()
        signal(number, SIG_DFL)
        raise(number)
      }
    }
  }

  /// The calling thread is worker `worker`.
  static func enter(_ worker: Int) { threads[worker] = pthread_self() }

  /// The worker begins a trial that `command` replays.
  static func begin(_ command: String, worker: Int) {
    let text = texts + worker * length
    var end = 0
    for byte in command.utf8.prefix(length - 1) {
      text[end] = byte
      end += 1
    }
    text[end] = 0
  }

  private static func tell() {
    for worker in 0..<count where pthread_equal(threads[worker], pthread_self()) != 0 {
      write("law violated: a precondition of the engine, which a debug build names\nreplay: ")
      let text = texts + worker * length
      _ = Foundation.write(1, text, strlen(text))
      write("\nthe run was given up, violations: 1\n")
    }
  }

  private static func write(_ text: StaticString) {
    _ = Foundation.write(1, text.utf8Start, text.utf8CodeUnitCount)
  }
}
