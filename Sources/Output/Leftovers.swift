import Foundation
import Synchronization

/// What must be gone when this process ends, also if it is stopped by a signal: files that are not whole yet, folders and
/// programs of its own.
public enum Leftovers {
  private struct State {
    var paths: Set<String> = []
    var children: Set<Int32> = []
    var written: [String] = []
  }
  private static let state = Mutex(State())

  /// A file or folder that is going to be made and will be removed.
  public static func add(_ path: String) { state.withLock { _ = $0.paths.insert(path) } }

  static func forget(_ path: String) { state.withLock { _ = $0.paths.remove(path) } }

  /// Removes what was added.
  public static func remove(_ path: String) {
    state.withLock { state in
      guard state.paths.remove(path) != nil else { return }
      try? FileManager.default.removeItem(atPath: path)
    }
  }

  /// Gives a file its name at last.
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
    try process.run()
    state.withLock { _ = $0.children.insert(process.processIdentifier) }
  }

  /// It has ended.
  public static func ended(_ process: Process) {
    state.withLock { _ = $0.children.remove(process.processIdentifier) }
  }

  /// Removes and ends everything, for ever: whoever would rename or start something now waits until the process is gone.
  ///
  /// - Parameter then: is given the outputs that are complete, and does not return.
  public static func end(_ then: (_ written: [String]) -> Never) -> Never {
    state.withLock { state in
      for child in state.children { kill(child, SIGTERM) }
      for path in state.paths { try? FileManager.default.removeItem(atPath: path) }
      then(state.written)
    }
  }
}
