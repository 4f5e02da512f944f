/// What is wrong with a PTX text, a launch, or what a kernel did.
public struct PTXError: Error, Hashable, CustomStringConvertible {
  /// What went wrong, coarsely.
  public enum Kind: String, Sendable {
    /// The text is not PTX, or uses something that this interpreter does not know.
    case unknown
    /// The launch does not fit the kernel.
    case launch
    /// An access outside of any allocation, misaligned, or of a place never written.
    case memory
    /// Two accesses to a place, one of them a write, that nothing orders.
    case race
    /// Threads that wait for others which never come, or a barrier that not all reach.
    case synchronisation
    /// The kernel ran a trap, or ran for too long.
    case aborted
  }

  /// What went wrong, coarsely.
  public var kind: Kind
  /// The same in words, with the kernel and block.
  public var message: String
  /// Line of the PTX text, from 1; 0 if there is none.
  public var line: Int

  /// An error at a line of the text, or at none.
  public init(_ kind: Kind, _ message: String, line: Int = 0) {
    self.kind = kind
    self.message = message
    self.line = line
  }

  /// Line, kind and message.
  public var description: String { line > 0 ? "line \(line): \(kind): \(message)" : "\(kind): \(message)" }
}
