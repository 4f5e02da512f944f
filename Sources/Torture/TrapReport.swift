import Foundation

/// Says how to see a trial again whose thread traps or runs out of stack, and ends the program with status 1: a precondition
/// is a law as well. What the signal handler reads is laid out before, and it calls nothing but what may be called there.
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
    var action = sigaction()
    let handler: @convention(c) (Int32) -> Void = { number in
      if TrapReport.tell() { _exit(1) }
      signal(number, SIG_DFL)
      raise(number)
    }
    #if os(Linux)
      action.__sigaction_handler.sa_handler = handler
    #else
      action.__sigaction_u.__sa_handler = handler
    #endif
    action.sa_flags = SA_ONSTACK
    for number in [SIGILL, SIGTRAP, SIGSEGV, SIGBUS, SIGABRT] { sigaction(number, &action, nil) }
  }

  /// The calling thread is worker `worker`, from now until it ends. The handler has a stack of its own; a sanitizer may have
  /// given it one already, which it takes back when the thread ends.
  static func enter(_ worker: Int) {
    threads[worker] = pthread_self()
    var stack = stack_t()
    sigaltstack(nil, &stack)
    guard stack.ss_flags & Int32(SS_DISABLE) != 0 else { return }
    let size = 64 << 10
    stack.ss_sp = .allocate(byteCount: size, alignment: 16)
    stack.ss_size = size
    stack.ss_flags = 0
    sigaltstack(&stack, nil)
  }

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

  /// Whether it was a worker that trapped.
  private static func tell() -> Bool {
    for worker in 0..<count where pthread_equal(threads[worker], pthread_self()) != 0 {
      write(
        "law violated: nothing traps, neither the engine nor the policy (a debug build says what did)\nreplay: "
      )
      let text = texts + worker * length
      _ = Foundation.write(1, text, strlen(text))
      write("\nthe run was given up, violations: 1\n")
      return true
    }
    return false
  }

  private static func write(_ text: StaticString) {
    _ = Foundation.write(1, text.utf8Start, text.utf8CodeUnitCount)
  }
}
