import Sim

/// One `--option key=value` of a policy.
public struct PolicyOption: Sendable {
  public let key: String
  public let defaultValue: String
  /// What values are allowed, and what they do.
  public let help: String
  /// Values that the laws try, one drawn for each scenario; repeat what is to come more often. None: the default. A step
  /// of their clusters takes a few tenths of a microsecond, so seconds are to be given in millionths.
  public var tried: [String] = []
  /// Values that torture mostly tries instead, under which more is lent and moved. None: `tried`.
  public var tortured: [String] = []
}

/// A policy option whose value cannot be used.
public struct PolicyOptionError: Error, Hashable, Sendable, CustomStringConvertible {
  public var key: String
  public var found: String
  public var expected: String

  public var description: String { "--option \(key)=\(found): expected \(expected)" }
}

/// The given options of a policy, each read once and checked.
struct OptionReader {
  let values: [String: String]

  func string(_ option: PolicyOption) -> String { values[option.key] ?? option.defaultValue }

  func bool(_ option: PolicyOption) throws(PolicyOptionError) -> Bool {
    guard let value = Bool(string(option)) else { throw error(option, "true or false") }
    return value
  }

  func integer(_ option: PolicyOption, _ range: ClosedRange<Int>) throws(PolicyOptionError) -> Int {
    guard let value = Int(string(option)), range.contains(value) else {
      throw error(option, "a whole number from \(range.lowerBound) to \(range.upperBound)")
    }
    return value
  }

  /// A fraction in steps of 1/`unit`, as a whole number of them.
  func fraction(_ option: PolicyOption, unit: Int) throws(PolicyOptionError) -> Int {
    guard let value = Double(string(option)), value >= 0, value <= 1 else {
      throw error(option, "a fraction from 0 to 1")
    }
    return Int((value * Double(unit)).rounded())
  }

  func seconds(_ option: PolicyOption) throws(PolicyOptionError) -> SimDuration {
    guard let value = Double(string(option)), value >= 1e-6, value <= 1e6 else {
      throw error(option, "seconds from 0.000001 to 1,000,000")
    }
    return SimDuration(picoseconds: Int64((value * 1e12).rounded()))
  }

  func choice<Choice: RawRepresentable<String> & CaseIterable>(
    _ option: PolicyOption, _ type: Choice.Type
  ) throws(PolicyOptionError) -> Choice {
    guard let value = Choice(rawValue: string(option)) else {
      throw error(option, Choice.allCases.map(\.rawValue).joined(separator: ", "))
    }
    return value
  }

  private func error(_ option: PolicyOption, _ expected: String) -> PolicyOptionError {
    PolicyOptionError(key: option.key, found: string(option), expected: expected)
  }
}
