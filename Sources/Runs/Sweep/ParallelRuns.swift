import Dispatch
import Foundation
import Synchronization

/// Calls `body` for every item, on so many threads at most; each takes the next item when it has done one.
///
/// The first error stops what has not begun and is thrown when all threads have ended.
package func forEachInParallel<Item: Sendable>(
  _ items: [Item], jobs: Int, _ body: @escaping @Sendable (Item) throws -> Void
) throws {
  let queue = WorkQueue(items: items)
  let group = DispatchGroup()
  // Threads of our own: as many as were asked for, with stacks as large as the main thread's.
  for _ in 1..<max(1, min(jobs, items.count)) {
    group.enter()
    let thread = Thread {
      queue.work(body)
      group.leave()
    }
    thread.stackSize = 8 << 20
    thread.start()
  }
  queue.work(body)
  group.wait()
  try queue.finish()
}

/// Items that threads take one by one, and the first error of any.
private final class WorkQueue<Item: Sendable>: Sendable {
  private let items: [Item]
  private let state = Mutex<(next: Int, error: (any Error)?)>((0, nil))

  init(items: [Item]) { self.items = items }

  func work(_ body: (Item) throws -> Void) {
    while let item = take() {
      do { try body(item) } catch { state.withLock { $0.error = $0.error ?? error } }
    }
  }

  func finish() throws { if let error = state.withLock({ $0.error }) { throw error } }

  private func take() -> Item? {
    state.withLock { state in
      guard state.error == nil, state.next < items.count else { return nil }
      defer { state.next += 1 }
      return items[state.next]
    }
  }
}
