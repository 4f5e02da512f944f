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
    put(element)
  }

  /// Sends if there is room.
  func offer(_ element: Element) {
    if room.wait(timeout: .now()) == .success { put(element) }
  }

  func receive() -> Element {
    filled.wait()
    return take()
  }

  /// Receives if there is anything.
  func poll() -> Element? {
    filled.wait(timeout: .now()) == .success ? take() : nil
  }

  private func put(_ element: Element) {
    elements.withLock { $0.append(element) }
    filled.signal()
  }

  private func take() -> Element {
    let element = elements.withLock { $0.removeFirst() }
    room.signal()
    return element
  }
}
