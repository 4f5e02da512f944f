import Foundation
import Synchronization

/// What must be gone when this process ends, also if it is stopped by a signal: files that are not whole yet, folders and
/// programs of its own.
public enum Leftovers {
  private struct State {
    var paths: Set<String> = []
    var children: Set<Int32> = []
    var written: [String] = []
    var hooks: [@Sendable () -> Void] = []
  }
  private static let state = Mutex(State())

  /// A file or folder that is going to be made and will be removed.
  public static func add(_ path: String) { state.withLock { _ = $0.paths.insert(path) } }

  /// Makes a file that is not there yet, for reading and writing, and adds it: never when the rest has been removed already.
  ///
  /// - Returns: its descriptor, or -1 with the reason in `errno`.
  static func create(_ path: String) -> Int32 {
    state.withLock { state in
      let descriptor = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
      if descriptor >= 0 { state.paths.insert(path) }
      return descriptor
    }
  }

  /// Does something that is done whole if a signal comes meanwhile; then the output `written`, if any, is complete. `body` must
  /// not use `Leftovers`.
  package static func whole<Failure: Error>(
    written: String? = nil, _ body: () throws(Failure) -> Void
  ) throws(Failure) {
    try state.withLock { state throws(Failure) in
      try body()
      if let written { state.written.append(written) }
    }
  }

  /// `hook` is called when the process is stopped by a signal or fails, after the rest is gone. It must not use `Leftovers`.
  package static func whenStopped(_ hook: @escaping @Sendable () -> Void) {
    state.withLock { $0.hooks.append(hook) }
  }

  /// Removes what was added.
  public static func remove(_ path: String) {
    state.withLock { state in
      guard state.paths.remove(path) != nil else { return }
      try? FileManager.default.removeItem(atPath: path)
    }
  }

  /// Gives a file its name at last. `false` leaves the reason in `errno`.
  static func rename(_ path: String, to name: String, called written: String) -> Bool {
    state.withLock { state in
      guard Foundation.rename(path, name) == 0 else { return false }
      state.paths.remove(path)
      state.written.append(written)
      return true
    }
  }

  /// An output is complete.
  static func written(_ path: String) { state.withLock { $0.written.append(path) } }

  /// Starts a program that ends with this one.
  public static func start(_ process: Process) throws {
    // Known before a signal can come between.
    try state.withLock { state in
      try process.run()
      state.children.insert(process.processIdentifier)
    }
  }

  /// It has ended.
  public static func ended(_ process: Process) {
    state.withLock { _ = $0.children.remove(process.processIdentifier) }
  }

  /// Removes and ends everything, for ever: whoever would make, rename, commit or start something now waits until the process
  /// is gone.
  ///
  /// - Parameter then: is given the outputs that are complete, and does not return.
  public static func end(_ then: (_ written: [String]) -> Never) -> Never {
    state.withLock { state in
      for child in state.children { kill(child, SIGTERM) }
      for path in state.paths { try? FileManager.default.removeItem(atPath: path) }
      for hook in state.hooks { hook() }
      then(state.written)
    }
  }
}
