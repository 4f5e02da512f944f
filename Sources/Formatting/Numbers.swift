import Foundation

/// 1234567 as "1,234,567".
package func grouped(_ value: Int) -> String {
  let digits = String(value.magnitude)
  var out = ""
  for (position, digit) in digits.enumerated() {
    if position > 0, (digits.count - position) % 3 == 0 { out += "," }
    out.append(digit)
  }
  return (value < 0 ? "-" : "") + out
}

/// A number with at least four digits that count: 0.001234, 1.234, 12.34, 1,234, 1,234,567.
package func figure(_ value: Double) -> String {
  guard value.isFinite else { return "–" }
  let size = abs(value)
  if value == 0 { return "0" }
  if size >= 999.95 { return grouped(Int(value.rounded())) }
  let decimals =
    switch size {
    case 100...: 1
    case 10...: 2
    case 1...: 3
    case 0.1...: 4
    case 0.01...: 5
    case 0.001...: 6
    default: 0
    }
  // C's printf in the C locale: Foundation uses none unless told to.
  return decimals == 0 ? String(format: "%.3e", value) : String(format: "%.\(decimals)f", value)
}

/// The same, and "–" for what is not there.
package func figure(_ value: Double?) -> String { value.map { figure($0) } ?? "–" }

/// A number with its unit, "1.234 s"; "–" for what is not there.
package func figure(_ value: Double?, _ unit: String) -> String {
  value.map { "\(figure($0)) \(unit)" } ?? "–"
}

/// A time, and "–" for what is not there, or is no more than a tick of the simulator's clock, a picosecond: no step cost it.
package func latency(_ seconds: Double?) -> String {
  seconds.map { $0 > 0 && $0 <= 1e-12 ? "–" : figure($0) } ?? "–"
}

/// The quotient; `nil` if one of the two is missing or the second is 0.
package func ratio(_ value: Double?, to base: Double?) -> Double? {
  guard let value, let base, base != 0 else { return nil }
  return value / base
}

/// A ratio: "1.234".
package func ratioText(_ value: Double) -> String { value.isFinite ? String(format: "%.3f", value) : "–" }

/// A share of one in percent: "12.3 %".
package func percent(_ share: Double) -> String {
  share.isFinite ? String(format: "%.1f %%", share * 100) : "–"
}

/// The same, and "–" for what is not there.
package func percent(_ share: Double?) -> String { share.map { percent($0) } ?? "–" }

/// 0.0000123 as "1.2e-05".
package func scientific(_ value: Double) -> String { String(format: "%.1e", value) }

/// A number in the fewest digits that give it back, without ".0".
package func trimmed(_ value: Double) -> String {
  value == value.rounded() && abs(value) < 1e15 ? String(Int(value)) : "\(value)"
}
