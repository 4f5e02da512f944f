import Sim

/// A trace that is made when it is needed: a generator's YAML, a stand-in for one of the paper's, or a load in one line.
///
///     let recipe = "paper:5,requests=400,spread=1.5"
///     let trace = try GeneratedTrace(recipe, spec: try GeneratedTrace.spec(recipe), redraw: 3)
///
/// Redraw k adds k to the recipe's own seed, so that redraws of two recipes of one seed go together.
public struct GeneratedTrace {
  /// The recipe's name: the file's without its folder, or the recipe itself.
  public let name: String
  /// All requests, after the options, the first at 0.
  public let records: [TraceRecord]
  /// How many there were before the limit.
  public let generated: Int
  /// Requests that the option `clipTotal` shortened.
  public let clippedRequests: Int
  /// Tokens of the longest request after the options, as `BlockLimits.total(prompt:output:)` counts them.
  public var longest: Int {
    records.lazy.map { BlockLimits.total(prompt: $0.request.prompt, output: $0.request.output) }.max() ?? 0
  }
  /// SHA-256 of all that was generated, before the options, as 64 hexadecimal digits.
  public let digest: String

  /// Whether the text is a recipe and not the path of a trace.
  public static func isRecipe(_ text: String) -> Bool { isPaper(text) || isLoad(text) || isFile(text) }

  /// Whether the recipe is a file.
  public static func isFile(_ text: String) -> Bool {
    !isPaper(text) && !isLoad(text) && (text.hasSuffix(".yaml") || text.hasSuffix(".yml"))
  }

  private static func isPaper(_ text: String) -> Bool { text.hasPrefix("paper:") }
  private static func isLoad(_ text: String) -> Bool { text.hasPrefix(loadPrefix) }

  /// What a `LoadLine` begins with where it stands for a trace.
  public static let loadPrefix = "load:"

  /// The load that the recipe is, `nil` if it is none.
  public static func load(_ recipe: String) throws(TraceError) -> LoadLine? {
    isLoad(recipe) ? try LoadLine(parsing: String(recipe.dropFirst(loadPrefix.count))) : nil
  }

  /// What a recipe stands for: throws what reading it throws, and `invalidOption` for a bad one.
  public static func spec(_ recipe: String) throws(TraceError) -> WorkloadSpec {
    if let load = try load(recipe) { return load.spec }
    return isPaper(recipe) ? try paper(recipe) : try GeneratorYAML.read(path: recipe)
  }

  /// Generates `spec`, which `recipe` stands for; throws `invalidOption` for an option that only a file can have,
  /// for nothing generated and for more than 100 days.
  public init(
    _ recipe: String, spec: WorkloadSpec, redraw: Int = 0, options: TraceOptions = .unchanged
  ) throws(TraceError) {
    guard options.format == nil, !options.isLenient, options.arrivals == nil, options.jitter == nil,
      options.poolSpan == nil, !options.sorts, options.timeUnit == nil, !options.acceptsTimes,
      options.ignoredColumns.isEmpty
    else {
      throw .invalidOption(
        name: "trace", found: quoted(recipe.utf8),
        expected:
          "a file, for --format, --lenient, --arrivals, --jitter, --pool-span, --sort, --time-unit, --accept-times and "
          + "--ignore-columns; a generated trace needs none"
      )
    }
    var spec = spec
    spec.seed &+= UInt64(redraw)
    var records = try spec.generate()
    name = Self.isFile(recipe) ? recipe.split(separator: "/").last.map(String.init) ?? recipe : recipe
    digest = Self.digest(of: records)
    generated = records.count
    var clipped = 0
    if let limit = options.limit { records.removeLast(max(records.count - limit, 0)) }
    for index in records.indices {
      let arrival = options.rateScale.apply(to: records[index].request.arrival.picoseconds)
      guard arrival <= Int128(Instant.longestSpan) else {
        throw .invalidOption(
          name: "rate-scale", found: "\(options.rateScale)",
          expected: "a scale that keeps \(recipe) within 100 days")
      }
      records[index].request.arrival = SimTime(picoseconds: Int64(arrival))
      if options.clip(&records[index].request) {
        clipped += 1
        records[index].details.shorten(toPrompt: records[index].request.prompt)
      }
    }
    self.records = records
    clippedRequests = clipped
  }

  /// "paper:N" and, after commas, what `trace generate --paper` calls requests, rate, mean-tokens, spread,
  /// output-share and seed.
  private static func paper(_ recipe: String) throws(TraceError) -> WorkloadSpec {
    func wrong(_ found: Substring, _ expected: String) -> TraceError {
      .invalidOption(name: "trace", found: quoted(found.utf8), expected: expected)
    }
    let parts = recipe.dropFirst("paper:".count).split(separator: ",", omittingEmptySubsequences: false)
    guard let number = parts.first.flatMap({ Int($0) }) else {
      throw wrong(recipe[...], "paper:N with N from 0 to 8")
    }
    var values: [Substring: Double] = [:]
    for part in parts.dropFirst() {
      let pair = part.split(separator: "=", maxSplits: 1)
      guard pair.count == 2, let value = Double(pair[1]), value.isFinite, values[pair[0]] == nil else {
        throw wrong(part, "key=number, each key once")
      }
      guard ["requests", "rate", "mean-tokens", "spread", "output-share", "seed"].contains(pair[0]) else {
        throw wrong(pair[0], "requests, rate, mean-tokens, spread, output-share or seed")
      }
      values[pair[0]] = value
    }
    func whole(_ key: Substring, _ fallback: Int) throws(TraceError) -> Int {
      guard let value = values[key] else { return fallback }
      guard let number = Int(exactly: value), number >= 0 else {
        throw wrong("\(key)=\(value)", "a whole number")
      }
      return number
    }
    return try PaperTrace(
      number, mean: values["mean-tokens"], spread: values["spread"], outputShare: values["output-share"],
      rate: values["rate"] ?? 1, requests: try whole("requests", 500), seed: UInt64(try whole("seed", 1))
    ).spec
  }

  private static func digest(of records: [TraceRecord]) -> String {
    var hash = SHA256()
    for record in records {
      let details = record.details
      let numbers: [Int64] = [
        record.request.arrival.picoseconds, Int64(record.request.prompt), Int64(record.request.output),
        Int64(details.session ?? -1), Int64(details.turn ?? -1), details.think?.picoseconds ?? -1,
        Int64(details.prefixTokens ?? -1),
      ]
      let bytes = numbers.flatMap { number in (0..<8).map { UInt8(truncatingIfNeeded: number >> (8 * $0)) } }
      bytes.withUnsafeBufferPointer { hash.update($0) }
    }
    return hash.finish()
  }
}
