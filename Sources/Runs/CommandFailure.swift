/// The exit codes of the program (sysexits.h where it has a word).
package enum FailureStatus: Int32 {
  case runFailed = 1
  case usage = 64
  case badData = 65
  case missingInput = 66
  /// 128 + SIGPIPE, as the shell says of a program whose output nobody reads any more.
  case brokenPipe = 141
}

/// An error that a command reports in its own words.
package struct CommandFailure: Error, Hashable, CustomStringConvertible {
  package var status: FailureStatus
  package var description: String

  package init(_ status: FailureStatus, _ description: String) {
    self.status = status
    self.description = description
  }
}
