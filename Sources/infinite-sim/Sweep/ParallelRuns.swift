import Dispatch
import Synchronization

/// Calls `body` for every item, on so many threads at most; each takes the next item when it has done one.
///
/// The first error stops what has not begun and is thrown when all threads have ended.
func forEachInParallel<Item: Sendable>(
  _ items: [Item], jobs: Int, _ body: @Sendable (Item) throws -> Void
) throws {
  let state = Mutex<(next: Int, error: (any Error)?)>((0, nil))
  @Sendable func work() {
    while let index = state.withLock({ state -> Int? in
      guard state.error == nil, state.next < items.count else { return nil }
      state.next += 1
      return state.next - 1
    }) {
      do { try body(items[index]) } catch {
        state.withLock { $0.error = $0.error ?? error }
      }
    }
  }
  let threads = min(jobs, items.count)
  if threads <= 1 { work() } else { DispatchQueue.concurrentPerform(iterations: threads) { _ in work() } }
  if let error = state.withLock({ $0.error }) { throw error }
}
