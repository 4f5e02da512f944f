import Dispatch
import Synchronization

/// A queue from one thread to another that holds at most `capacity` elements: who sends more waits, and who finds none
/// to receive.
final class BoundedChannel<Element: Sendable>: Sendable {
  private let elements = Mutex<[Element]>([])
  private let room = DispatchSemaphore(value: 0)
  private let filled = DispatchSemaphore(value: 0)

  init(capacity: Int) {
    for _ in 0..<capacity { room.signal() }
  }

  func send(_ element: Element) {
    room.wait()
    elements.withLock { $0.append(element) }
    filled.signal()
  }

  func receive() -> Element {
    filled.wait()
    let element = elements.withLock { $0.removeFirst() }
    room.signal()
    return element
  }
}
