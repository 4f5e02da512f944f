import Calibration
import Output
import Policies
import Reporting
import Results
import Runs
import Sim
import Storage
import Studies
import Workloads

extension FailureStatus {
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
        case .noCommonMark, .commonMark: .runFailed
        }
    case let error as StoreError:
      self =
        switch error {
        case .notADatabase, .foreignDatabase, .newerSchema, .olderSchema, .damaged: .badData
        case .missing, .notReadable: .missingInput
        case .isAFolder: .usage
        case .notWritable, .backupExists, .busy, .changed, .other: .runFailed
        }
    case is MergeError: self = .badData
    case SimulationError.tooManyFaults: self = .badData
    case let error as OutputError:
      self =
        switch error.kind {
        case .usage: .usage
        case .refused: .runFailed
        case .unread: .brokenPipe
        }
    default: self = .runFailed
    }
  }
}
