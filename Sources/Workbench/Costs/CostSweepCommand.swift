import Runs
import Formatting
import ArgumentParser
import Results
import Sim

/// `infinite-sim cost sweep`: the picture that motivates the paper.
struct CostSweepCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "sweep",
    abstract: "Decode iterations over context lengths: batch, efficiency, attention's share.",
    discussion: """
      As contexts grow, fewer requests fit the memory of an instance, so the weights are read for fewer tokens and \
      the non-attention part loses efficiency, while attention takes over the iteration.
      """)

  @Option(help: "Context lengths: a list as 1K,8K,100K, or a range as 1K..1M that doubles.")
  var contexts = "1K..1M"
  @Option(help: "Requests that decode, whatever memory holds. (default: what it holds, at most 256)")
  var batch: Int?
  @Option(help: "Share of GPU memory that the engine uses, above 0 and at most 1.")
  var gpuMemoryUtilization = 0.9
  @Flag(help: "Print CSV.")
  var csv = false
  @Flag(help: "Print JSON.")
  var json = false
  @OptionGroup var instance: InstanceOptions

  mutating func validate() throws {
    _ = try Self.lengths(contexts)
    if let batch, !(1...(1 << 20)).contains(batch) {
      throw ValidationError("--batch is \(batch), expected 1 to \(1 << 20).")
    }
    guard !(csv && json) else { throw ValidationError("--csv and --json exclude each other.") }
  }

  func run() throws {
    let costed = try CostedInstance(instance)
    IdleOption.warn(instance.idle(costed))
    let capacity = try KVCapacity(
      model: costed.model, hardware: costed.hardware, shape: costed.shape,
      settings: KVMemorySettings(
        utilisation: gpuMemoryUtilization, maxSequences: min(batch ?? Self.most, Self.most)))
    let points = try Self.lengths(contexts).map { context in
      let fitting = capacity.blocks / ((context + capacity.blockSize - 1) / capacity.blockSize)
      return try SweepPoint(
        costed, context: context, batch: batch ?? min(Self.most, fitting), fitting: fitting)
    }
    let report = SweepReport(instance: costed, capacity: capacity.tokens, points: points)
    costed.warn(report.extrapolations)
    try writeToStandardOutput(csv ? report.csv : json ? report.json.prettyText : report.text)
  }

  /// The batch of an engine with vLLM's default of `max_num_seqs`.
  private static let most = 256

  /// "1K..1M" or "1K,3000,1M" as lengths.
  static func lengths(_ text: String) throws -> [Int] {
    let lengths: [Int]
    if let dots = text.firstRange(of: "..") {
      let first = try TokenCount.parse(String(text[..<dots.lowerBound]))
      let last = try TokenCount.parse(String(text[dots.upperBound...]))
      guard first >= 1, first <= last else {
        throw ValidationError("--contexts \(text): expected the shorter length first, and at least 1.")
      }
      lengths = Array(sequence(first: first) { $0 * 2 <= last ? $0 * 2 : nil })
    } else {
      lengths = try text.split(separator: ",").map { try TokenCount.parse(String($0)) }
    }
    guard !lengths.isEmpty, lengths.allSatisfy({ $0 >= 1 }) else {
      throw ValidationError("--contexts \(text): expected lengths of at least 1.")
    }
    return lengths
  }
}

/// A decode iteration at one context length.
struct SweepPoint {
  var context: Int
  /// 0 when not one request fits.
  var batch: Int
  /// Requests of that context that the instance's memory holds.
  var fitting: Int
  /// µs: the iteration, its kernels but attention, and attention.
  var total = 0.0
  var linear = 0.0
  var attention = 0.0
  /// Flops and bytes of one GPU in the two parts.
  var linearFlops = 0.0
  var linearBytes = 0.0
  var attentionFlops = 0.0
  var attentionBytes = 0.0
  var gpus: Int

  init(_ instance: CostedInstance, context: Int, batch: Int, fitting: Int) throws {
    (self.context, self.batch, self.fitting, gpus) = (context, batch, fitting, instance.shape.gpus)
    guard batch > 0 else { return }
    let explained = try instance.explain(Iteration(sequences: batch, context: context))
    total = Double(explained.total) * 1e-6
    for part in explained.operators {
      switch part.kind {
      case .attention:
        attention += part.microseconds
        attentionFlops += part.flops
        attentionBytes += part.bytes
      case .matrix, .elementwise:
        linear += part.microseconds
        linearFlops += part.flops
        linearBytes += part.bytes
      case .communication: linear += part.microseconds
      case .host: break
      }
    }
  }

  /// Flops per second that the part without attention reaches.
  var linearRate: Double { linear > 0 ? linearFlops / linear * 1e6 : 0 }
  /// Attention's share of the iteration.
  var attentionShare: Double { total > 0 ? attention / total : 0 }
  /// Generated tokens per second and GPU.
  var tokensPerSecond: Double { total > 0 ? Double(batch) / total * 1e6 / Double(gpus) : 0 }
}

/// What `cost sweep` prints.
struct SweepReport {
  var instance: CostedInstance
  /// Tokens that the instance's memory holds.
  var capacity: Int
  var points: [SweepPoint]

  private var peak: Double { instance.roofline.flopsPerSecond }

  /// One sentence for the longest context, if it leaves the measured range.
  var extrapolations: [String] {
    instance.hardware.measured.extrapolations(
      decodeContext: points.filter { $0.batch > 0 }.map(\.context).max() ?? 0)
  }

  var text: String {
    var rows = [
      [
        "context", "batch", "fits", "iteration, ms", "tokens/s per GPU", "non-attention, ms", "its TFLOP/s",
        "of peak", "its FLOP/byte", "attention, ms", "share", "its FLOP/byte",
      ]
    ]
    for p in points {
      guard p.batch > 0 else {
        rows.append([TokenCount.text(p.context), "0", "0", "does not fit"] + Array(repeating: "–", count: 8))
        continue
      }
      rows.append([
        TokenCount.text(p.context), grouped(p.batch), grouped(p.fitting), figure(p.total / 1e3),
        figure(p.tokensPerSecond), figure(p.linear / 1e3), figure(p.linearRate / 1e12),
        percent(p.linearRate / peak), figure(p.linearFlops / p.linearBytes), figure(p.attention / 1e3),
        percent(p.attentionShare), figure(p.attentionFlops / p.attentionBytes),
      ])
    }
    return "\(instance.text); \(grouped(capacity)) tokens of KV cache\n\n" + markdownTable(rows) + "\n" + plot
      + instance.basis(extrapolations)
  }

  /// Two bars a length: how efficient the non-attention part is, and how much of the time attention takes.
  private var plot: String {
    let best = points.map(\.linearRate).max() ?? 0
    var text =
      "non-attention TFLOP/s (█, full = \(figure(best / 1e12)))   attention's share (░, full = 100 %)\n"
    for p in points where p.batch > 0 {
      let label = TokenCount.text(p.context)
      text += String(repeating: " ", count: max(0, 8 - label.count)) + label + " "
      text += bar("█", best > 0 ? p.linearRate / best : 0) + " " + bar("░", p.attentionShare) + "\n"
    }
    return text
  }

  private func bar(_ mark: Character, _ share: Double) -> String {
    let marks = Int((share * 30).rounded())
    return String(repeating: mark, count: marks) + String(repeating: " ", count: 30 - marks)
  }

  private static let columns: [(String, @Sendable (SweepPoint) -> JSON)] = [
    ("context", { .int($0.context) }), ("batch", { .int($0.batch) }), ("fitting", { .int($0.fitting) }),
    ("iteration_us", { .double($0.total) }), ("tokens_per_s_per_gpu", { .double($0.tokensPerSecond) }),
    ("non_attention_us", { .double($0.linear) }), ("non_attention_flops_per_s", { .double($0.linearRate) }),
    ("non_attention_flops", { .double($0.linearFlops) }),
    ("non_attention_bytes", { .double($0.linearBytes) }),
    ("attention_us", { .double($0.attention) }), ("attention_share", { .double($0.attentionShare) }),
    ("attention_flops", { .double($0.attentionFlops) }), ("attention_bytes", { .double($0.attentionBytes) }),
  ]

  /// The columns of a point; where not one request fits, all but the first three are null.
  private func values(_ point: SweepPoint) -> [JSON] {
    Self.columns.enumerated().map { $0.offset < 3 || point.batch > 0 ? $0.element.1(point) : .null }
  }

  /// RFC 4180; a cell is empty where there is no value.
  var csv: String {
    Self.columns.map(\.0).joined(separator: ",") + "\n"
      + points.map { p in values(p).map { $0 == .null ? "" : $0.text }.joined(separator: ",") + "\n" }
      .joined()
  }

  var json: JSON {
    [
      "instance": instance.json, "kv_tokens": .int(capacity), "peak_flops_per_s": .double(peak),
      "points": .array(points.map { p in .object(zip(Self.columns, values(p)).map { .init($0.0, $1) }) }),
      "unvalidated": .array(instance.unvalidated.map(JSON.string)),
      "extrapolated": .array(extrapolations.map(JSON.string)),
    ]
  }
}
