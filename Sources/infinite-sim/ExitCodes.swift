import Calibration
import Policies
import Reporting
import Results
import Sim
import Storage
import Studies
import Workloads

/// The exit codes of the program (sysexits.h where it has a word).
package enum FailureStatus: Int32 {
  case runFailed = 1
  case usage = 64
  case badData = 65
  case missingInput = 66

  /// The code for what went wrong in a command.
  package init(_ error: any Error) {
    switch error {
    case let failure as CommandFailure: self = failure.status
    case let error as TraceError:
      self =
        switch error {
        case .missing, .notAFile, .unreadable: .missingInput
        case .malformed, .changed, .tooManySkipped: .badData
        case .invalidOption: .usage
        case .unwritable: .runFailed
        }
    case is LossyConversion: self = .usage
    case is StudyMissing: self = .missingInput
    case is StudyError: self = .badData
    // A study is an input: what is wrong in it is no usage of the command.
    case let error as PointError:
      self = FailureStatus(error.underlying) == .missingInput ? .missingInput : .badData
    case let error as ModelConfigError:
      if case .unreadable = error { self = .missingInput } else { self = .badData }
    case is ModelSpecError: self = .badData
    case is IterationError, is IterationTooLong: self = .usage
    case let error as HardwareFileError: self = error.problem == .unreadable ? .missingInput : .badData
    case let error as MeasurementError: self = error.isMissing ? .missingInput : .badData
    case is ClusterError, is KVMemoryError, is ConfigurationError, is PolicyOptionError, is OptionError:
      self = .usage
    case let error as ReportError:
      self =
        switch error {
        case .empty, .template: .badData
        case .noSuchRun, .ambiguousRun, .whichSweep, .noSuchRequest, .noSuchMove: .usage
        case .unwritable, .noGnuplot, .gnuplot, .noCommonMark, .commonMark: .runFailed
        }
    case let error as StoreError:
      self =
        switch error {
        case .notADatabase, .foreignDatabase, .newerSchema, .damaged: .badData
        case .missing: .missingInput
        case .isAFolder: .usage
        case .notWritable, .backupExists, .busy, .other: .runFailed
        }
    case is MergeError: self = .badData
    default: self = .runFailed
    }
  }
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
