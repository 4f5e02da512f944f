import Results
import Runs
import Formatting
import Foundation
import Reference
import ReferenceCUDA

/// The result of `validate gpu`: what its JSON holds, and its tables.
struct GPUReport: Codable, Hashable {
  /// The program's version, and the commit it was built from if that was said.
  var program: String
  var commit: String?
  /// As the caller gave it.
  var date: String?
  /// The host's processor and cores.
  var machine: String
  var device: DeviceFacts
  /// Whether only a few small calls were made.
  var isQuick: Bool
  var limitSeconds: Double
  var seconds = 0.0
  var accuracy: [Accuracy] = []
  var speed: [Speed] = []
  var launch: LaunchCosts?
  var checkers: [Checker] = []
  /// What failed otherwise: calls that the device refused, or that did not end.
  var broken: [String] = []
  /// What was not done, and why.
  var leftOut: [String] = []

  /// One random shape.
  struct Accuracy: Codable, Hashable {
    /// `--seed` with which `--shapes 1` makes it again.
    var seed: Int
    var shape: String?
    var properties: [String] = []
    var maxError: Double?
    var bound: Double?
    /// Why there is no error, or no call.
    var failure: String?
    /// Whether the shape's turn never came.
    var isNotRun = false

    var share: Double { bound.flatMap { bound in maxError.map { $0 == 0 ? 0 : $0 / bound } } ?? 0 }
    var isGood: Bool { maxError.flatMap { error in bound.map { error <= $0 } } ?? false }
  }

  /// Decode calls of one model, batch and context.
  struct Speed: Codable, Hashable {
    var model: String
    var queryHeads: Int
    var kvHeads: Int
    var headDim: Int
    var dtype: String
    var batch: Int
    var context: Int
    /// Bytes of keys and values; seconds; bytes/s of a plain read before each call; MHz.
    var bytes: Int
    var seconds: Spread
    var readRate: Spread
    var clock: Int?
    /// The error of one of the outputs and its bound, where it was judged.
    var maxError: Double?
    var bound: Double?

    var rate: Double { Double(bytes) / seconds.median }
    var isGood: Bool { maxError.flatMap { error in bound.map { error <= $0 } } ?? true }
  }

  /// One tool of the memory checker.
  struct Checker: Codable, Hashable {
    enum Outcome: String, Codable { case clean, found, notFound = "not found", notDone = "not done" }

    var tool: String
    var outcome: Outcome
    /// In words: the number of errors, why it could not run.
    var words: String
  }

  /// What must not be: empty if all is well.
  var failures: [String] {
    var failures: [String] = []
    let above = accuracy.filter { !$0.isGood && !$0.isNotRun }
    if let first = above.first {
      let found = first.failure ?? "error \(first.maxError ?? .nan), bound \(first.bound ?? .nan)"
      failures.append(
        "\(above.count) of \(accuracy.count) shapes failed or are above their bounds; the first: --seed \(first.seed)"
          + "\(isQuick ? " --quick" : ""): \(first.shape ?? "–"): \(found)")
    }
    failures += broken
    failures += speed.filter { !$0.isGood }.map {
      "above its bound: \($0.model), \($0.dtype), \($0.batch) sequences of \($0.context) tokens"
    }
    failures += checkers.filter { $0.outcome == .found }.map { "\($0.tool): \($0.words)" }
    return failures
  }

  /// Whether no shape was run although some were asked for, or nothing at all: no check, and none that has passed.
  var isNothing: Bool {
    accuracy.isEmpty
      ? speed.isEmpty && checkers.allSatisfy { $0.outcome == .notFound || $0.outcome == .notDone }
      : accuracy.allSatisfy(\.isNotRun)
  }
  static let nothing = "nothing was checked"

  // MARK: - JSON

  func json() throws -> String {
    let encoder = JSONEncoder()
    encoder.keyEncodingStrategy = .convertToSnakeCase
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    // An output that is no number has an infinite error.
    encoder.nonConformingFloatEncodingStrategy = .convertToString(
      positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
    return String(decoding: try encoder.encode(self), as: UTF8.self) + "\n"
  }

  init(json path: String) throws(CommandFailure) {
    guard let data = FileManager.default.contents(atPath: path) else {
      throw CommandFailure(.missingInput, "\(path): cannot be read")
    }
    // A decoder takes a key twice.
    do { _ = try JSON(parsing: String(decoding: data, as: UTF8.self)) } catch {
      throw CommandFailure(.badData, "\(path): is not what validate gpu writes: \(error)")
    }
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    decoder.nonConformingFloatDecodingStrategy = .convertFromString(
      positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
    do { self = try decoder.decode(GPUReport.self, from: data) } catch {
      throw CommandFailure(.badData, "\(path): is not what validate gpu writes: \(Self.words(error))")
    }
  }

  /// What a decoder did not find, with keys as they stand in the file.
  private static func words(_ error: any Error) -> String {
    func name(_ key: any CodingKey) -> String {
      key.stringValue.reduce(into: "") { $0 += $1.isUppercase ? "_\($1.lowercased())" : "\($1)" }
    }
    func place(_ context: DecodingError.Context) -> String {
      context.codingPath.isEmpty
        ? "it"
        : context.codingPath.map { key in key.intValue.map { "[\($0)]" } ?? name(key) }.joined(separator: ".")
          .replacing(".[", with: "[")
    }
    switch error as? DecodingError {
    case .keyNotFound(let key, let context)?: return "\(place(context)) has no \(name(key))"
    case .typeMismatch(let type, let context)?, .valueNotFound(let type, let context)?:
      return "\(place(context)) is not a value of type \(type)"
    case .dataCorrupted(let context)? where !context.codingPath.isEmpty:
      return "\(place(context)): \(context.debugDescription)"
    default: return "\(error)"
    }
  }

  init(
    program: String, commit: String?, date: String?, machine: String, device: DeviceFacts, isQuick: Bool,
    limitSeconds: Double
  ) {
    self.program = program
    self.commit = commit
    self.date = date
    self.machine = machine
    self.device = device
    self.isQuick = isQuick
    self.limitSeconds = limitSeconds
  }
}

// MARK: - Markdown

extension GPUReport {
  /// Everything that a reader wants, as Markdown without headings.
  var text: String {
    var parts = [deviceText, accuracyText]
    if !worst.isEmpty { parts.append(worstTable) }
    if !speed.isEmpty { parts += [speedText, speedTable] }
    if let launch {
      parts.append(
        "A call of 8 rows over 64 tokens takes \(micro(launch.queued)) µs on the device when it was queued before, "
          + "\(micro(launch.alone)) µs from its launch to its end as the host sees it, and \(micro(launch.inARow)) µs "
          + "each if many follow one another.")
    }
    if !checkers.isEmpty {
      parts.append(
        "compute-sanitizer: " + checkers.map { "\($0.tool): \($0.words)" }.joined(separator: "; ") + ".")
    }
    if !broken.isEmpty { parts.append("**Failed:**\n" + broken.map { "\n- \($0)" }.joined()) }
    if !leftOut.isEmpty { parts.append("Left out:\n" + leftOut.map { "\n- \($0)" }.joined()) }
    return parts.map { $0.trimmingCharacters(in: .newlines) }.joined(separator: "\n\n") + "\n"
  }

  private var deviceText: String {
    let facts: [String?] = [
      "\(device.name), sm_\(device.computeCapability.filter { $0 != "." })",
      "\(device.multiprocessors) multiprocessors\(device.clock.map { " at up to \($0) MHz" } ?? "")",
      "\(grouped(device.memory >> 20)) MiB"
        + (device.memoryClock.map { clock in
          " at \(clock) MHz\(device.memoryBus.map { ", \($0) bits" } ?? "")"
        } ?? ""),
      device.l2.map { "L2 \(grouped($0 >> 20)) MiB" }, device.ecc.map { $0 ? "ECC" : "no ECC" },
      "driver \(device.driver ?? "of unknown version") for CUDA \(device.cuda)",
    ]
    return """
      \(facts.compactMap(\.self).joined(separator: ", ")). Host: \(machine). infinite-sim \(program), commit \
      \(commit ?? "not said"), \(date ?? "date not said"), \(figure(seconds)) s.\
      \(isQuick ? " A quick check: few calls, and small ones." : "")\
      \(device.isStandIn ? " **These are an interpreter's numbers, not a GPU's.**" : "")
      """
  }

  private var accuracyText: String {
    let done = accuracy.filter { !$0.isNotRun }
    let good = done.filter(\.isGood)
    var counts: [String: Int] = [:]
    for row in done { for property in row.properties { counts[property, default: 0] += 1 } }
    let covered = counts.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.map { "\($0.value) \($0.key)" }
    return """
      **Accuracy.** \(good.count) of \(accuracy.count) random shapes within both bounds, \(done.count - good.count) not, \
      \(accuracy.count - done.count) not run.\(covered.isEmpty ? "" : " Among them: \(covered.joined(separator: ", ")).")
      """
  }

  /// The shapes nearest to their bounds, or farthest above.
  private var worst: [Accuracy] {
    let failed = accuracy.filter { $0.failure != nil && !$0.isNotRun }
    let judged = accuracy.filter { $0.maxError != nil }.sorted { ($1.share, $0.seed) < ($0.share, $1.seed) }
    return Array((failed + judged).prefix(5))
  }

  private var worstTable: String {
    markdownTable(
      [["worst shapes: --seed", "error", "bound", "ok", "shape"]]
        + worst.map {
          [
            "\($0.seed)", $0.maxError.map(scientific) ?? "–", $0.bound.map(scientific) ?? "–",
            $0.isGood ? "yes" : "NO", ($0.shape ?? "–") + ($0.failure.map { ": " + $0 } ?? ""),
          ]
        }, leftColumns: [3, 4])
  }

  private var speedText: String {
    let rates = speed.map(\.readRate.median)
    let clocks = speed.compactMap(\.clock)
    let judged = speed.filter { $0.bound != nil }
    return """
      **Speed.** Decode: GB/s of keys and values, of which every call reads each once from memory, and their share of what a \
      plain read of memory reached right before it; medians, ± half the distance of the quartiles in percent. A plain read: \
      \(gigabytes(rates.min() ?? 0)) to \(gigabytes(rates.max() ?? 0)) GB/s\
      \(clocks.isEmpty ? "" : "; multiprocessors at \(clocks.min() ?? 0) to \(clocks.max() ?? 0) MHz"). Of \(speed.count) \
      calls \(judged.count) were judged as well, and \(judged.filter(\.isGood).count) are within their bounds.
      """
  }

  private var speedTable: String {
    let contexts = Set(speed.map(\.context)).sorted()
    var rows: [[String]] = []
    var last: [String] = []
    for row in speed {
      let head = [
        row.model, "\(row.kvHeads) × \(row.queryHeads / row.kvHeads) × \(row.headDim)", row.dtype,
        "\(row.batch)",
      ]
      if head != last { rows.append(head + contexts.map { _ in "–" }) }
      last = head
      let half = (row.seconds.upper - row.seconds.lower) / 2 / row.seconds.median
      rows[rows.count - 1][4 + (contexts.firstIndex(of: row.context) ?? 0)] =
        "\(gigabytes(row.rate)) (\(whole(row.rate / row.readRate.median)) %, ± \(whole(half)) %)"
    }
    let titles = contexts.map { "\(grouped($0)) tokens" }
    return markdownTable(
      [["model", "KV heads × group × size", "dtype", "batch"] + titles] + rows, leftColumns: [0, 1, 2])
  }

  private func whole(_ share: Double) -> Int { Int((share * 100).rounded()) }
  private func gigabytes(_ rate: Double) -> String {
    rate >= 1e10 ? grouped(Int((rate / 1e9).rounded())) : figure(rate / 1e9)
  }
  private func micro(_ seconds: Double) -> String { String(format: "%.1f", seconds * 1e6) }
}
