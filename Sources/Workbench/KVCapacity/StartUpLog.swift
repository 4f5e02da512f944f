import Formatting
import Foundation
import Runs
import Sim

/// What vLLM says of its memory when it starts, from the lines of a log: whatever is there, of any version.
package struct StartUpLog: Hashable {
  /// "# GPU blocks: N", of the engine's block size (to 0.8, V0).
  package var blocks: Int?
  /// "GPU KV cache size: N tokens" (from 0.8 on, V1).
  package var tokens: Int?
  /// GiB of one GPU that are left for the cache.
  package var available: Double?
  /// GiB of one GPU, and the engine's share of it.
  package var total: Double?
  package var utilisation: Double?
  /// GiB of one GPU's weights, of what PyTorch has not allocated, and of a full step's activations.
  package var weights: Double?
  package var nonTorch: Double?
  package var activations: Double?
  /// GiB that CUDA graphs took or were estimated to take.
  package var graphs: Double?
  /// Requests of so many tokens that the cache holds at once.
  package var maxModelLen: Int?
  package var concurrency: Double?
  /// The engine's version, and whether it says that it is the V0 engine.
  package var version: String?
  package var isV0 = false
  /// What it was started with.
  package var settings = LogSettings()
  /// Ranks of a tensor-parallel group.
  package var tensorParallel: Int? { settings.tensorParallel }

  /// What runs like the engine that wrote it; `nil` where it does not know its version.
  package var engine: EngineChoice? { version.flatMap { EngineChoice(vLLM: $0, isV0: isV0) } }
  /// Its profile.
  package var profile: EngineProfile? { engine?.profile }

  /// Throws where no line tells how large the cache is, and where one says that there is none.
  package init(_ text: String, file: String) throws {
    let lines = text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline)
    for (index, line) in lines.enumerated() {
      // Terminals' colours may stand between a word and its number.
      try read(line.replacing(Self.colour, with: "")[...], place: "\(file):\(index + 1)")
    }
    maxModelLen = maxModelLen ?? settings.maxModelLen
    utilisation = utilisation ?? settings.utilisation
    guard blocks != nil || tokens != nil || available != nil else {
      throw CommandFailure(
        .badData,
        "\(file): no line has \"# GPU blocks: N\", \"GPU KV cache size: N tokens\" or \"Available KV cache memory: N GiB\" "
          + "as vLLM prints it")
    }
  }

  private static nonisolated(unsafe) let colour = /\u{1B}\[[0-9;]*m/

  private mutating func read(_ line: Substring, place: String) throws {
    settings.read(line)
    // Ranks and replicas print the same lines: the fullest counts.
    func least<Value: Comparable>(_ known: Value?, _ value: Value) -> Value { min(known ?? value, value) }
    // 0.7 says "CUDA" or "cuda", 0.8 leaves the number of CPU blocks out.
    for words in ["# GPU blocks: ", "# CUDA blocks: ", "# cuda blocks: "] {
      if let count = try Self.size(after: words, in: line, limit: 0x1p30, place) {
        blocks = least(blocks, try Self.whole(count, words, place))
      }
    }
    if let count = try Self.size(after: "GPU KV cache size: ", in: line, limit: 1e11, place) {
      tokens = least(tokens, try Self.whole(count, "GPU KV cache size: ", place))
    }
    for words in ["Available KV cache memory: ", "reserved for KV Cache is ", "kv_cache_size="] {
      if let size = try Self.size(after: words, in: line, place) { available = least(available, size) }
    }
    for words in ["total_gpu_memory (", "total_gpu_memory="] {
      if let size = Self.number(after: words, in: line) { total = size }
    }
    for words in ["x gpu_memory_utilization (", "gpu_memory_utilization="] {
      guard let share = Self.number(after: words, in: line) else { continue }
      guard share > 0, share <= 1 else {
        throw CommandFailure(
          .badData, "\(place): gpu_memory_utilization is \(share), expected above 0, at most 1")
      }
      utilisation = share
    }
    for words in ["model weights take ", "Loading model weights took ", "Model loading took "] {
      if let size = Self.number(after: words, in: line) { weights = size }
    }
    for words in ["non_torch_memory takes ", "non_torch_memory="] {
      if let size = Self.number(after: words, in: line) { nonTorch = size }
    }
    if let size = Self.number(after: "PyTorch activation peak memory takes ", in: line) { activations = size }
    for words in ["Estimated CUDA graph memory: ", "Graph capturing finished in "] where line.contains(words)
    {
      graphs =
        Self.number(after: words == "Graph capturing finished in " ? "took " : words, in: line) ?? graphs
    }
    if let length = Self.count(after: "Maximum concurrency for ", in: line) {
      maxModelLen = length
      concurrency = Self.number(after: "per request: ", in: line) ?? concurrency
    }
    if let range = line.firstRange(of: "LLM engine (v") {
      version = String(line[range.upperBound...].prefix { $0 != ")" })
      isV0 = line.contains("a V0 LLM engine (v")
      if maxModelLen == nil { maxModelLen = Self.count(after: "max_seq_len=", in: line) }
    } else if let range = line.firstRange(of: "vLLM API server version "), version == nil {
      version = String(line[range.upperBound...].prefix { !$0.isWhitespace })
    }
  }

  /// What follows `words` as the size of a cache: a number above 0, or the engine has not started.
  private static func size(after words: String, in line: Substring, limit: Double = 1e6, _ place: String)
    throws -> Double?
  {
    guard let range = line.firstRange(of: words) else { return nil }
    guard let size = number(after: words, in: line, limit: limit) else {
      let found = line[range.upperBound...].prefix { !$0.isWhitespace && $0 != ";" }
      throw CommandFailure(
        .badData,
        "\(place): \"\(words)\" is followed by “\(found)”, expected a number up to \(grouped(Int(limit)))")
    }
    guard size > 0 else {
      throw CommandFailure(
        .badData,
        "\(place): \(figure(size)) after \"\(words)\": this engine did not start, nothing was left for the cache"
      )
    }
    return size
  }

  private static func whole(_ size: Double, _ words: String, _ place: String) throws -> Int {
    guard let count = Int(exactly: size) else {
      throw CommandFailure(
        .badData, "\(place): \"\(words)\" is followed by \(size), expected a whole number")
    }
    return count
  }

  /// The whole number above 0 that follows `words`.
  private static func count(after words: String, in line: Substring) -> Int? {
    number(after: words, in: line, limit: 1e11).flatMap { $0 > 0 ? Int(exactly: $0) : nil }
  }

  /// The number that follows `words`, with commas between its thousands or without; `nil` beyond any GPU.
  private static func number(after words: String, in line: Substring, limit: Double = 1e6) -> Double? {
    guard let range = line.firstRange(of: words) else { return nil }
    let digits = line[range.upperBound...].prefix { $0.isNumber || $0 == "," || $0 == "." || $0 == "-" }
    let number = Double(digits.filter { $0 != "," }.trimmingSuffix { $0 == "." })
    return number.flatMap { abs($0) <= limit ? $0 : nil }
  }

  /// Tokens that it says the cache holds, in blocks of `blockSize`; `nil` if it gives gibibytes only.
  package func tokens(blockSize: Int) -> Int? { blocks.map { $0 * blockSize } ?? tokens }
}

extension String {
  fileprivate func trimmingSuffix(while predicate: (Character) -> Bool) -> Substring {
    var rest = self[...]
    while let last = rest.last, predicate(last) { rest.removeLast() }
    return rest
  }
}
