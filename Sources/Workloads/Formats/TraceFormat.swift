/// A kind of trace file: which columns of its header hold what, and how it writes time.
///
/// To add a CSV format, describe it in a file of its own beside this one and add it to `all`.
public struct TraceFormat: Sendable {
  /// The formats known; the first whose three columns are in the header is taken.
  public static let all: [TraceFormat] = [
    .azure,
    .vidur,
    .plain,
  ]

  /// How the arrival column writes time.
  enum Clock: Sendable {
    /// Decimal seconds from any origin: see `DecimalSeconds`.
    case seconds
    /// Calendar time: see `Timestamp`.
    case calendar
  }

  /// Short name for reports and manifests.
  public let name: String
  /// Name of the column with the arrival time.
  public let arrivalColumn: String
  /// Name of the column with the prompt's tokens.
  public let promptColumn: String
  /// Name of the column with the output's tokens.
  public let outputColumn: String
  let clock: Clock

  /// The three columns needed, in the order arrival, prompt, output. Others are allowed and ignored.
  public var columns: [String] { [arrivalColumn, promptColumn, outputColumn] }
}
