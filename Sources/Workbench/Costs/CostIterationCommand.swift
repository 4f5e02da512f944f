import Runs
import Formatting
import ArgumentParser
import Results
import Sim

/// `infinite-sim cost iteration`, and `infinite-sim cost`: one iteration, operator by operator.
struct CostIterationCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "iteration", abstract: "One iteration's time by operator (what `cost` alone prints).",
    discussion: """
      An iteration decodes one token of each of --batch requests, prefills --prefill new tokens, or both. Times, \
      bytes and flops are of one GPU of every pipeline stage together; they add to what a run charges.
      """)

  @Option(help: "Requests that decode one token each.")
  var batch = 1
  @Option(
    help: "Tokens that each of them attends to: 4096, 128K, 1M (K = 1024).", transform: TokenCount.parse)
  var context = 1_024
  @Option(
    help: "New tokens of a prompt that is prefilled in the same iteration.", transform: TokenCount.parse)
  var prefill = 0
  @Option(help: "Tokens of that prompt that are in the cache already.", transform: TokenCount.parse)
  var cached = 0
  @Flag(help: "Print JSON.")
  var json = false
  @OptionGroup var instance: InstanceOptions

  func run() throws {
    let costed = try CostedInstance(instance)
    var idle = instance.idle(costed)
    if batch == 0 { idle += IdleOption.given(["--context", "--decode-kernel"], "with --batch 0") }
    if prefill == 0 { idle += IdleOption.given(["--cached"], "without --prefill") }
    IdleOption.warn(idle)
    let iteration = Iteration(
      sequences: batch, context: context, prompts: prefill > 0 ? 1 : 0, newTokens: max(1, prefill),
      cachedTokens: cached)
    let explained = try costed.explain(iteration)
    let report = IterationReport(instance: costed, iteration: iteration, explained: explained)
    costed.warn(report.extrapolations, unvalidated: report.unvalidatedHost)
    try writeToStandardOutput(json ? report.json.prettyText : report.text)
  }
}

/// A number of tokens on the command line.
enum TokenCount {
  /// "4096", "4K" or "1M", with K = 1,024 and M = 1,048,576.
  static func parse(_ text: String) throws -> Int {
    let (digits, unit) =
      switch text.last {
      case "K", "k": (text.dropLast(), 1_024)
      case "M", "m": (text.dropLast(), 1_048_576)
      default: (Substring(text), 1)
      }
    guard let count = Int(digits), (0...(1 << 30)).contains(count), count * unit <= 1 << 30 else {
      throw ValidationError("\(text) is no number of tokens; expected 4096, 128K or 1M, at most 1024M.")
    }
    return count * unit
  }

  /// 131072 as "128K".
  static func text(_ count: Int) -> String {
    if count >= 1 << 20, count.isMultiple(of: 1 << 20) { return "\(count >> 20)M" }
    if count >= 1 << 10, count.isMultiple(of: 1 << 10) { return "\(count >> 10)K" }
    return "\(count)"
  }
}

/// What `cost` prints.
struct IterationReport {
  var instance: CostedInstance
  var iteration: Iteration
  var explained: IterationExplained

  private var total: Double { Double(explained.total) * 1e-6 }

  /// One sentence for each measured range that the iteration leaves.
  var extrapolations: [String] {
    let prompt = iteration.prompts * iteration.newTokens
    return instance.hardware.measured.extrapolations(
      tokens: iteration.sequences + prompt, decodeContext: iteration.sequences > 0 ? iteration.context : 0,
      prefill: prompt > 0 ? prompt + iteration.cachedTokens : 0)
  }

  /// The CPU's time of the iteration, µs, as the engine charges it where it does not work beside the GPUs.
  private var hostTime: Double {
    let gpus = instance.shape.gpus
    return instance.engine.host.base(gpus: gpus)
      + instance.engine.host.perSequence(gpus: gpus) * Double(iteration.sequences + iteration.prompts)
  }

  /// The same where it works beside the GPUs, which pipelines do not do; `nil` elsewhere.
  var hostBeside: Double? {
    instance.engine.overlapsHost && instance.shape.pp == 1 && hostTime > 0 ? hostTime : nil
  }

  /// What the GPUs wait for the host, or the host's time where it works between their steps, µs.
  private var hostCharged: Double {
    explained.operators.first { $0.name == "host" || $0.name == "waiting for the host" }?.microseconds ?? 0
  }

  /// That the host's time was not fitted to such an iteration, if it is charged.
  var unvalidatedHost: [String] {
    [
      HostFit(instance.engine)?.sentence(
        instance.engine, sequences: iteration.sequences + iteration.prompts, waited: hostCharged)
    ].compactMap(\.self)
  }

  var text: String {
    var work: [String] = []
    if iteration.sequences > 0 {
      work.append(
        "\(grouped(iteration.sequences)) requests decode, each attends to \(grouped(iteration.context)) tokens"
      )
    }
    if iteration.prompts > 0 {
      work.append(
        "\(grouped(iteration.newTokens)) tokens are prefilled after \(grouped(iteration.cachedTokens)) cached ones"
      )
    }
    var rows = [
      ["operator", "calls", "µs", "share", "MB", "GFLOP", "GB/s", "TFLOP/s", "bound, µs", "of bound"]
    ]
    for part in explained.operators { rows.append(row(part)) }
    if let hostBeside {
      // No part of the sum: what the GPUs wait for it is.
      let isHidden = hostCharged == 0
      rows.append(
        ["host, beside the GPUs", figure(1), figure(hostBeside), isHidden ? "hidden" : "partly hidden"]
          + Array(repeating: "", count: 6))
    }
    let bound = explained.operators.reduce(0) { $0 + $1.bound(instance.roofline) }
    rows.append(
      ["iteration", "", figure(total), "100.0 %", "", "", "", "", figure(bound), percent(bound / total)])
    var text = "\(instance.text)\n\(work.joined(separator: "; "))\n\n"
    text += markdownTable(rows)
    text += "\n"
    for kind in OperatorCost.Kind.allCases {
      let time = explained.microseconds(kind)
      if time > 0 { text += "\(kind.rawValue): \(figure(time)) µs, \(percent(time / total))\n" }
    }
    if let kernel = explained.decodeKernelMicroseconds {
      text += "Decode attention by the kernel's own form: \(figure(kernel)) µs; "
      text += "runs charge a straight line between powers of two of the mean context.\n"
    }
    text += "Bound: the data sheet of \(instance.roofline.name), "
    text += "\(figure(instance.roofline.bytesPerSecond / 1e9)) GB/s and "
    text += "\(figure(instance.roofline.flopsPerSecond / 1e12)) TFLOP/s, links "
    text += "\(figure(instance.roofline.linkBytesPerSecond / 1e9)) GB/s.\n"
    return text + instance.basis(extrapolations, unvalidated: unvalidatedHost)
  }

  private func row(_ part: OperatorCost) -> [String] {
    let seconds = part.microseconds * 1e-6
    let bound = part.bound(instance.roofline)
    let isHost = part.kind == .host
    return [
      part.name, figure(part.calls), figure(part.microseconds), percent(part.microseconds / total),
      isHost ? "" : figure(part.bytes / 1e6), part.flops > 0 ? figure(part.flops / 1e9) : "",
      isHost ? "" : figure(part.bytes / seconds / 1e9),
      part.flops > 0 ? figure(part.flops / seconds / 1e12) : "", isHost ? "" : figure(bound),
      isHost ? "" : percent(bound / part.microseconds),
    ]
  }

  var json: JSON {
    [
      "instance": instance.json,
      "iteration": [
        "sequences": .int(iteration.sequences), "context": .int(iteration.context),
        "prefill_tokens": .int(iteration.prompts * iteration.newTokens),
        "cached_tokens": .int(iteration.prompts * iteration.cachedTokens),
      ],
      "total_us": .double(total),
      "host_beside_us": .optional(hostBeside),
      "decode_kernel_us": .optional(explained.decodeKernelMicroseconds),
      "operators": .array(
        explained.operators.map { part in
          [
            "operator": .string(part.name), "kind": .string(part.kind.rawValue), "calls": .double(part.calls),
            "us": .double(part.microseconds), "share": .double(part.microseconds / total),
            "bytes": .double(part.bytes), "flops": .double(part.flops),
            "bytes_per_s": .double(part.bytes / part.microseconds * 1e6),
            "flops_per_s": .double(part.flops / part.microseconds * 1e6),
            "bound_us": .double(part.bound(instance.roofline)),
          ]
        }),
      "bound": .string(instance.roofline.name),
      "unvalidated": .array((instance.unvalidated + unvalidatedHost).map(JSON.string)),
      "extrapolated": .array(extrapolations.map(JSON.string)),
    ]
  }
}
