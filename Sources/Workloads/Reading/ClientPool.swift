import Foundation
import Sim

/// A ServeGen client pool on disk, from which requests are drawn.
///
/// Each client has windows: from a time on, a rate, a coefficient of variation, and the shape of its gaps
/// (`Gamma` or `Weibull`; none where the client is silent). Its gaps are drawn with that shape and the window's
/// mean; its lengths from the histograms of the last window at or before the time that has any (else the
/// first), prompt and output each on its own, as the histograms are marginal. The last window of a file is as
/// long as the one before.
struct ClientPool {
  struct Window {
    var start: Int
    var rate: Double
    var gaps: ArrivalProcess.Gaps?
  }

  /// Cumulative shares of token counts.
  struct Histogram {
    var tokens: [Int] = []
    var cumulative: [Double] = []

    func draw(_ u: Double) -> Int {
      let target = u * (cumulative.last ?? 1)
      let index = cumulative.partition(at: target)
      return max(tokens[min(index, tokens.count - 1)], 1)
    }
  }

  struct Client {
    var number: Int
    var windows: [Window]
    var lengths: [(start: Int, prompt: Histogram, output: Histogram)]
  }

  let path: String
  private(set) var clients: [Client] = []

  /// Whether `path` is a folder of client files or one client's trace.
  static func isPool(_ path: String) throws(TraceError) -> Bool { try !traces(path).isEmpty }

  /// Reads the files of all clients; throws `missing`, `notAFile` or `malformed`.
  init(path: String, digesting: Bool) throws(TraceError) {
    self.path = path
    let traces = try Self.traces(path)
    guard !traces.isEmpty else {
      throw .notAFile(path: path, found: "no client of ServeGen (chunk-N-trace.csv)")
    }
    for trace in traces {
      let name = trace.split(separator: "/").last.map(String.init) ?? trace
      let number = Int(name.dropFirst("chunk-".count).dropLast("-trace.csv".count)) ?? clients.count
      let windows = try Self.windows(trace)
      let dataset = String(trace.dropLast("-trace.csv".count)) + "-dataset.json"
      clients.append(Client(number: number, windows: windows, lengths: try Self.lengths(dataset)))
    }
    clients.sort { $0.number < $1.number }
  }

  /// SHA-256 over the digests of all files, in the order of their names.
  static func digest(_ path: String) throws(TraceError) -> SHA256 {
    var all = SHA256()
    for trace in try traces(path) {
      for file in [trace, String(trace.dropLast("-trace.csv".count)) + "-dataset.json"] {
        let text = Array(try contents(file, digesting: true).digest.utf8)
        text.withUnsafeBufferPointer { all.update($0) }
      }
    }
    return all
  }

  /// All requests of the windows that begin in `span` (all if `nil`), by arrival.
  func draw(seed: UInt64, span: ClosedRange<Int>?, limit: Int) throws(TraceError) -> SortedRows {
    var all: [(time: Double, client: Int, prompt: Int, output: Int)] = []
    for client in clients {
      let draws = RandomDraws(seed: seed, name: "pool-\(client.number)")
      var ordinal = 0
      for (index, window) in client.windows.enumerated() {
        guard let gaps = window.gaps, window.rate > 0, span?.contains(window.start) ?? true else { continue }
        let length =
          index + 1 < client.windows.count
          ? client.windows[index + 1].start - window.start
          : index > 0 ? window.start - client.windows[index - 1].start : 600
        guard Double(all.count) + window.rate * Double(length) <= Double(limit) else {
          throw .invalidOption(
            name: "pool-span", found: "more than \(limit) requests", expected: "a shorter span of seconds")
        }
        guard let lengths = client.lengths.last(where: { $0.start <= window.start }) ?? client.lengths.first
        else {
          throw .malformed(
            path: path, line: 1, column: "input_tokens", found: "no lengths for client \(client.number)",
            expected: "a histogram in its dataset")
        }
        var arrivals = ArrivalSampler(
          ArrivalProcess(gaps: gaps, pattern: .constant(rate: window.rate)), seed: seed,
          stream: "pool-\(client.number)-\(window.start)")
        while true {
          let time = Double(arrivals.next()) * 1e-12
          guard time < Double(length), all.count <= limit else { break }
          all.append(
            (
              Double(window.start) + time, client.number, lengths.prompt.draw(draws.unit(ordinal, 0)),
              lengths.output.draw(draws.unit(ordinal, 1))
            ))
          ordinal += 1
        }
      }
    }
    guard !all.isEmpty else {
      throw .invalidOption(
        name: "pool-span", found: span.map { "\($0.lowerBound):\($0.upperBound)" } ?? "the whole pool",
        expected: "windows in which a client sends")
    }
    all.sort { ($0.time, $0.client) < ($1.time, $1.client) }
    let first = all[0].time
    return SortedRows(
      requests: all.map { row in
        let microseconds = Int64(((row.time - first) * 1e6).rounded())
        return TraceRequest(
          arrival: .zero + .microseconds(microseconds), prompt: row.prompt, output: row.output)
      },
      details: all.map { row in
        var details = TraceDetails()
        details.session = row.client
        return details
      })
  }

  // MARK: Files

  private static func traces(_ path: String) throws(TraceError) -> [String] {
    var isFolder: ObjCBool = false
    guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else {
      throw .missing(path: path)
    }
    func isTrace(_ name: String) -> Bool {
      guard name.hasPrefix("chunk-"), name.hasSuffix("-trace.csv") else { return false }
      let number = name.dropFirst("chunk-".count).dropLast("-trace.csv".count)
      return !number.isEmpty && number.utf8.allSatisfy { decimalDigit($0) != nil }
    }
    guard isFolder.boolValue else {
      return isTrace(path.split(separator: "/").last.map(String.init) ?? path) ? [path] : []
    }
    guard let names = try? FileManager.default.contentsOfDirectory(atPath: path) else {
      throw .unreadable(path: path, reason: "the folder cannot be listed")
    }
    return names.filter(isTrace).sorted().map { path + "/" + $0 }
  }

  /// `seconds,rate,cv,pattern,first,second`, without a header.
  private static func windows(_ path: String) throws(TraceError) -> [Window] {
    var lines = try LineReader(path: path, digesting: false)
    var windows: [Window] = []
    while let line = try lines.next() {
      func fault(_ column: String, _ found: String, _ expected: String) -> TraceError {
        .malformed(path: path, line: lines.lineNumber, column: column, found: found, expected: expected)
      }
      var cutter = CSVFields(line)
      var fields: [String] = []
      do throws(CSVFields.Fault) {
        while let field = try cutter.next() { fields.append(String(decoding: field, as: UTF8.self)) }
      } catch { throw fault("time", error.found, error.expected) }
      guard fields.count == 6 else {
        throw fault("time", "\(fields.count) fields", "6 fields: time, rate, cv, pattern and two numbers")
      }
      guard let start = Int(fields[0]), (0...8_640_000).contains(start), start > windows.last?.start ?? -1
      else { throw fault("time", quoted(fields[0].utf8), "whole seconds after those of the row above") }
      guard let rate = Double(fields[1]), (0...1e6).contains(rate) else {
        throw fault("rate", quoted(fields[1].utf8), "requests per second from 0 to 1000000")
      }
      guard let cv = Double(fields[2]), (0...1e6).contains(cv) else {
        throw fault("cv", quoted(fields[2].utf8), "a coefficient of variation of 0 or more")
      }
      guard let shape = Double(fields[4]), shape >= 0, shape.isFinite else {
        throw fault("shape", quoted(fields[4].utf8), "a number of 0 or more")
      }
      guard let scale = Double(fields[5]), scale >= 0, scale.isFinite else {
        throw fault("scale", quoted(fields[5].utf8), "a number of 0 or more")
      }
      let gaps: ArrivalProcess.Gaps?
      switch fields[3] {
      case "": gaps = nil
      case "Gamma" where shape > 0: gaps = .gamma(cv: 1 / min(max(shape, 1e-4), 1e6).squareRoot())
      case "Weibull" where shape > 0: gaps = .weibull(shape: min(max(shape, 0.1), 100))
      case "Gamma", "Weibull": throw fault("shape", quoted(fields[4].utf8), "a shape above 0")
      default: throw fault("pattern", quoted(fields[3].utf8), "Gamma, Weibull or nothing")
      }
      windows.append(Window(start: start, rate: rate, gaps: gaps))
    }
    guard !windows.isEmpty else {
      throw .malformed(
        path: path, line: 1, column: nil, found: "an empty file", expected: "a row for each window")
    }
    return windows
  }

  /// `{"seconds": {"input_tokens": "{tokens: share, …}", "output_tokens": …}}`.
  private static func lengths(_ path: String) throws(TraceError) -> [(Int, Histogram, Histogram)] {
    let text = try contents(path, digesting: false).bytes
    var all: [(start: Int, prompt: Histogram, output: Histogram)] = []
    var column: String?
    var position = 0
    var starts: Set<Int> = []
    let fault: JSONScanner.Fault? = text.withUnsafeBufferPointer { bytes in
      var scanner = JSONScanner(bytes)
      do throws(JSONScanner.Fault) {
        try scanner.require(UInt8(ascii: "{"), "an object")
        repeat {
          column = "time"
          let key = String(decoding: try scanner.string(), as: UTF8.self)
          guard let start = Int(key), start >= 0, start <= 8_640_000 else {
            throw JSONScanner.Fault(found: quoted(key.utf8), expected: "whole seconds")
          }
          guard starts.insert(start).inserted else {
            throw JSONScanner.Fault(found: "the key \(quoted(key.utf8)) twice", expected: "each key once")
          }
          try scanner.require(UInt8(ascii: ":"), "a colon")
          try scanner.require(UInt8(ascii: "{"), "an object")
          var histograms: [String: Histogram] = [:]
          var names: Set<String> = []
          if !scanner.take(UInt8(ascii: "}")) {
            repeat {
              let name = String(decoding: try scanner.string(), as: UTF8.self)
              column = name
              try scanner.require(UInt8(ascii: ":"), "a colon")
              let value = try scanner.value()
              guard value.kind == .string else {
                throw JSONScanner.Fault(found: quoted(value.text), expected: "a histogram in a string")
              }
              guard names.insert(name).inserted else {
                throw JSONScanner.Fault(found: "the key twice", expected: "each key once")
              }
              if name == "input_tokens" || name == "output_tokens" {
                histograms[name] = try histogram(value.text)
              }
            } while scanner.take(UInt8(ascii: ","))
            try scanner.require(UInt8(ascii: "}"), "a comma or }")
          }
          for name in ["input_tokens", "output_tokens"] where histograms[name] == nil {
            column = name
            throw JSONScanner.Fault(found: "no such key", expected: "input_tokens and output_tokens")
          }
          let (prompt, output) = (histograms["input_tokens"]!, histograms["output_tokens"]!)
          if !prompt.tokens.isEmpty, !output.tokens.isEmpty { all.append((start, prompt, output)) }
        } while scanner.take(UInt8(ascii: ","))
        try scanner.require(UInt8(ascii: "}"), "a comma or }")
        try scanner.requireEnd()
        return nil
      } catch {
        position = scanner.position
        return error
      }
    }
    if let fault {
      throw .malformed(
        path: path, line: 1 + text.prefix(position).count { $0 == 0x0A }, column: column,
        found: fault.found, expected: fault.expected)
    }
    return all.sorted { $0.start < $1.start }.map { ($0.start, $0.prompt, $0.output) }
  }

  /// `{143: 0.0001, 148: 0.5}`: shares of token counts.
  private static func histogram(_ text: Bytes) throws(JSONScanner.Fault) -> Histogram {
    var histogram = Histogram()
    var scanner = JSONScanner(text)
    try scanner.require(UInt8(ascii: "{"), "a histogram {tokens: share}")
    if scanner.take(UInt8(ascii: "}")) { return histogram }
    var sum = 0.0
    var counts: Set<Int> = []
    repeat {
      let tokens = try scanner.value()
      try scanner.require(UInt8(ascii: ":"), "a colon")
      let share = try scanner.value()
      guard tokens.kind == .number, let count = Int(String(decoding: tokens.text, as: UTF8.self)),
        (0...RowRules.maximumTokens).contains(count)
      else {
        throw JSONScanner.Fault(
          found: quoted(tokens.text), expected: "whole tokens from 0 to \(RowRules.maximumTokens)")
      }
      guard counts.insert(count).inserted else {
        throw JSONScanner.Fault(found: "\(count) tokens twice", expected: "each number of tokens once")
      }
      guard share.kind == .number, let part = Double(String(decoding: share.text, as: UTF8.self)),
        (0...1).contains(part)
      else { throw JSONScanner.Fault(found: quoted(share.text), expected: "a share from 0 to 1") }
      sum += part
      histogram.tokens.append(count)
      histogram.cumulative.append(sum)
    } while scanner.take(UInt8(ascii: ","))
    try scanner.require(UInt8(ascii: "}"), "a comma or }")
    try scanner.requireEnd()
    guard (sum - 1).magnitude < 1e-3 else {
      throw JSONScanner.Fault(found: "shares that sum to \(sum)", expected: "shares that sum to 1")
    }
    return histogram
  }

  /// All bytes of a small file: at most 256 MB.
  private static func contents(_ path: String, digesting: Bool) throws(TraceError) -> (
    bytes: [UInt8], digest: String
  ) {
    var source = try ByteSource(path: path, digesting: digesting)
    var bytes: [UInt8] = []
    let chunk = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: 262_144)
    defer { chunk.deallocate() }
    while true {
      let count = try source.read(into: chunk, line: 1)
      if count == 0 { break }
      bytes += chunk[..<count]
      guard bytes.count <= 268_435_456 else {
        throw .malformed(
          path: path, line: 1, column: nil, found: "more than 256 MB", expected: "one client's histograms")
      }
    }
    return (bytes, source.digest.map { $0.finish() } ?? "")
  }
}

extension [Double] {
  /// The index of the first element that is at least `target`, of an ascending array; `count` if none is.
  func partition(at target: Double) -> Int {
    var (low, high) = (0, count)
    while low < high {
      let middle = (low + high) / 2
      if self[middle] < target { low = middle + 1 } else { high = middle }
    }
    return low
  }
}
