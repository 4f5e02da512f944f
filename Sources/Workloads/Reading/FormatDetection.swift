/// Finding out which format a file is of, from its first line or two.
enum FormatDetection {
  /// The format of a header; throws what is missing. Of formats with the same columns the first is taken.
  static func csv(_ header: [String], named: TraceFormat?) throws(RowFault) -> TraceFormat {
    let candidates = named.map { [$0] } ?? TraceFormat.all.filter { $0.grammar == .csv }
    if let named, named.grammar != .csv { throw mismatch(named, found: "a CSV header") }
    let given = candidates.map { format in format.requiredNames.filter(header.contains).count }
    let matching = candidates.indices.filter { given[$0] == candidates[$0].requiredNames.count }
    let shares = candidates.indices.map { Double(given[$0]) / Double(candidates[$0].requiredNames.count) }
    // One of which all columns are there, and of those the largest; else the one of which the largest share is, and not a few.
    let best =
      matching.max { (given[$0], $1) < (given[$1], $0) }
      ?? candidates.indices.max { (shares[$0], given[$0], $1) < (shares[$1], given[$1], $0) }!
    guard named == nil ? shares[best] > 0.5 : given[best] > 0 else {
      throw RowFault(
        column: nil, found: "the header \(quoted(header.joined(separator: ",").utf8))",
        expected: expected(candidates, insteadOf: header), reason: .fieldCount)
    }
    try requireOnce(candidates[best], header)
    return candidates[best]
  }

  /// The format of a JSONL file whose first line has these keys.
  static func jsonLines(_ keys: [String], named: TraceFormat?) throws(RowFault) -> TraceFormat {
    if let named {
      guard named.grammar == .jsonLines else { throw mismatch(named, found: "a JSON object") }
      return named
    }
    let candidates = TraceFormat.all.filter { $0.grammar == .jsonLines }
    let given = candidates.map { format in format.requiredNames.filter(keys.contains).count }
    let shares = candidates.indices.map { Double(given[$0]) / Double(candidates[$0].requiredNames.count) }
    let best = candidates.indices.max { (shares[$0], given[$0], $1) < (shares[$1], given[$1], $0) }!
    guard given[best] > 0 else {
      throw RowFault(
        column: nil, found: "the keys \(quoted(keys.joined(separator: ",").utf8))",
        expected: expected(candidates, insteadOf: keys), reason: .missingKey)
    }
    return candidates[best]
  }

  /// What was expected where no name is one of a format's: all that the nearest format asks for, then what others there are.
  private static func expected(_ candidates: [TraceFormat], insteadOf names: [String]) -> String {
    let lower = names.map { $0.lowercased() }
    // Alike are names of which one has a word of the other's.
    func likeness(_ format: TraceFormat) -> Double {
      let alike = format.requiredNames.count { name in
        let words = name.lowercased().split { !$0.isLetter }.filter { $0.count > 2 }
        return lower.contains { given in words.contains { given.contains($0) } }
      }
      return Double(alike) / Double(format.requiredNames.count)
    }
    let best = candidates.indices.max { (likeness(candidates[$0]), $1) < (likeness(candidates[$1]), $0) }!
    let others = candidates.indices.filter { $0 != best && $0 != 0 }.map { candidates[$0].name }
    func columns(_ index: Int) -> String {
      "\(candidates[index].requiredNames.joined(separator: ",")) (format \(candidates[index].name))"
    }
    // The first is the plain one.
    return columns(best) + (best == 0 ? "" : " or \(columns(0))")
      + (others.isEmpty
        ? ""
        : ", or what another format asks for: \(others.joined(separator: ", ")) (`infinite-sim trace formats`)")
  }

  static func mismatch(_ named: TraceFormat, found: String) -> RowFault {
    RowFault(
      column: nil, found: found, expected: "\(named.summary), as --format \(named.name) says",
      reason: .badText)
  }

  private static func requireOnce(_ format: TraceFormat, _ header: [String]) throws(RowFault) {
    let known = format.columns.filter { $0.role != .ignored || $0.isRequired }.map(\.name)
    for name in known {
      let count = header.count { $0 == name }
      let isRequired = format.requiredNames.contains(name)
      guard count > 1 || (isRequired && count == 0) else { continue }
      throw RowFault(
        column: name, found: count == 0 ? "no such column" : "the column twice",
        expected: "the columns \(format.requiredNames.joined(separator: ","))", reason: .fieldCount)
    }
  }
}
