import Foundation
import Results
import Runs
import Storage
import Testing

/// Options that change nothing are said, do not change the manifest, and are not offered where they never could.
@Suite struct IdleOptionTests {
  let folder: String

  init() throws {
    folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString).path
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    let rows = (0..<40).map {
      (time: Double($0) / 10, lengths: "\(100 + $0 * 37 % 900),\(20 + $0 * 13 % 90)\n")
    }
    try write(
      "t.csv", "arrival_s,input_tokens,output_tokens\n" + rows.map { "\($0.time),\($0.lengths)" }.joined())
    try write("l.csv", "input_tokens,output_tokens\n" + rows.map(\.lengths).joined())
    try write("f.yaml", "seed: 3\n")
    try write("g.yaml", "requests: 20\narrivals: {rate: 2}\nprompt: 100\noutput: 20\n")
  }

  private func cleanUp() { try? FileManager.default.removeItem(atPath: folder) }

  private func write(_ name: String, _ text: String) throws {
    try text.write(toFile: folder + "/" + name, atomically: true, encoding: .utf8)
  }

  private func program(_ arguments: [String]) throws -> Program.Outcome {
    try Program.run(arguments, in: folder)
  }

  /// The manifest and the fingerprint that a run prints last.
  private func names(_ outcome: Program.Outcome) -> [Substring] {
    outcome.output.split(separator: "\n").suffix(2)
  }

  @Test(arguments: [
    ("t.csv", "", "--trace-seed 7", "as nothing is drawn"),
    ("t.csv", "", "--pool-span 0:10", "on a trace that is no client pool"),
    ("t.csv", "", "--max-skipped 0.5", "without --lenient"),
    ("t.csv", "", "--force", "without --db"),
    ("t.csv", "", "--longest 100", "as vllm-m is not sized by it"),
    ("t.csv", "", "--inter-node hdr200", "on one node"),
    ("t.csv", "--instances 1", "--router round-robin", "on one instance"),
    ("t.csv", "--instances 1", "--option steal=true", "on one instance"),
    ("t.csv", "", "--option prefill-attention=home", "as vllm-m does not lend here"),
    ("t.csv", "", "--option message-delay=1", "as vllm-m does not lend here"),
    ("t.csv", "--engine vllm-v0", "--option reserve-isl=false", "under --engine vllm-v0"),
    ("t.csv", "--engine chunked", "--option watermark=9", "under --engine chunked"),
    ("t.csv", "--at-once", "--rate-scale 2", "with --at-once"),
    ("l.csv", "", "--rate-scale 2", "as all requests arrive at 0"),
    ("l.csv", "", "--at-once", "as all requests arrive at 0"),
    ("t.csv", "", "--limit 41", "as there are 40 requests"),
    ("t.csv", "", "--faults f.yaml", "as the file has none"),
    ("t.csv", "", "--limit 40", "as there are 40 requests"),
    ("g.yaml", "", "--limit 20", "as there are 20 requests"),
    ("g.yaml", "", "--clip-total 5000", "as no request is longer"),
    ("t.csv", "--nodes 2", "--inter-node hdr200", "as vllm-m sends nothing between nodes here"),
    ("t.csv", "--model mixtral-8x7b --pp 2", "--expert-parallel", "with TP 1"),
    ("g.yaml", "", "--limit 21", "as there are 20 requests"),
    ("t.csv", "", "--clip-total 5000", "as no request is longer"),
    ("l.csv", "", "--accept-times", "on a trace without times"),
    ("g.yaml", "", "--trace-seed 7", "in a generated trace, which has its own; --seed draws it anew"),
  ])
  func `an idle option of run is said and changes neither result nor manifest`(
    trace: String, base: String, option: String, reason: String
  ) throws {
    defer { cleanUp() }
    func words(_ text: String) -> [String] { text.split(separator: " ").map(String.init) }
    let command = ["run", "--policy", "vllm-m", "--gpus-per-node", "2", "--trace", trace] + words(base)
    let without = try program(command)
    let with = try program(command + words(option))
    #expect(with.status == 0 && names(with) == names(without), "\(with)")
    let name = words(option).prefix(option.hasPrefix("--option ") ? 2 : 1).joined(separator: " ")
      .split(separator: "=")[0]
    #expect(with.errors.contains("warning: \(name): without effect \(reason)\n"), "\(with.errors)")
    #expect(
      with.errors.matches(of: #/without effect/#).count == 1 && !without.errors.contains("without effect"))
    #expect(try !program(command + words(option) + ["--quiet"]).errors.contains("without effect"))
  }

  @Test(arguments: [
    ("vllm-s", "", "--option vllm-s-across=tp", "on one node"),
    (
      "vllm-s", "--nodes 2 --tp 2 --pp 2", "--option vllm-s-across=tp",
      "as its instance is the same either way"
    ),
    ("vllm-s", "--option vllm-s-tp=1", "--tp 2", "with --option vllm-s-tp"),
    ("vllm-s", "--option vllm-s-max-num-seqs=9", "--max-num-seqs 7", "with --option vllm-s-max-num-seqs"),
    ("pooled", "--instances 1", "--option pool-routing=false", "on one instance"),
    ("pooled", "", "--option node-first=false", "as all instances are on one node"),
    (
      "pooled", "--nodes 2 --option lending=planner-only", "--option node-first=false",
      "with lending=planner-only: nobody"
    ),
    (
      "pooled", "--option placement=pack", "--option share-from=9",
      "with placement=pack: only balanced ones are spread"
    ),
    ("pooled", "--option spread-from=0", "--option share-from=9", "with spread-from=0: no prompt is spread"),
    ("pooled", "--nodes 2 --gpus-per-node 1", "--option share-from=9", "as no two instances are on one node"),
    (
      "debtor-creditor", "--router least-loaded --option placement=pack", "--option spread-from=9",
      "with placement=pack: only"
    ),
    (
      "debtor-creditor", "", "--option silence=3",
      "without message-delay or heartbeat-period: the gManager reads"
    ),
    (
      "debtor-creditor", "", "--option full-heartbeat-every=3",
      "without message-delay or heartbeat-period: the"
    ),
    ("debtor-creditor", "", "--option try-timeout=3", "without message-delay: answers come at once"),
    ("debtor-creditor", "", "--option try-retries=3", "without message-delay: answers come at once"),
    ("debtor-creditor", "", "--option reservation-expiry=3", "without message-delay: answers come at once"),
    (
      "debtor-creditor", "--option heartbeat-period=2", "--option try-retries=3",
      "without message-delay: answers"
    ),
    ("debtor-creditor", "", "--option unreliable-until=3", "as no message is lost, doubled or held back"),
    (
      "debtor-creditor", "--option message-delay=0.1", "--option full-heartbeat-every=3",
      "as no heartbeat is lost or overtaken"
    ),
    (
      "debtor-creditor", "--option message-delay=0.1 --option unreliable-until=0",
      "--option message-loss=0.5",
      "with unreliable-until=0: messages are never unreliable"
    ),
  ])
  func `an idle option of a policy is said and changes neither result nor manifest`(
    policy: String, base: String, option: String, reason: String
  ) throws {
    defer { cleanUp() }
    func words(_ text: String) -> [String] { text.split(separator: " ").map(String.init) }
    let layout = base.contains("--gpus-per-node") ? [] : ["--gpus-per-node", "2"]
    let command = ["run", "--policy", policy, "--trace", "t.csv"] + layout + words(base)
    let (without, with) = (try program(command), try program(command + words(option)))
    #expect(with.status == 0 && names(with) == names(without), "\(with)")
    let given = option.split(separator: "=")[0]
    let name = option.hasPrefix("--option ") ? given : given.split(separator: " ")[0]
    let said = with.errors.split(separator: "\n").filter { $0.contains("without effect") }
    #expect(
      said.contains {
        $0.hasPrefix("warning: ") && $0.contains(name) && $0.contains("without effect \(reason)")
      },
      "\(with.errors)")
  }

  @Test(arguments: [
    ("pooled", "spread-from=0"), ("pooled", "share-from=9"), ("pooled", "pool-routing=false"),
    ("debtor-creditor", "spread-from=9 placement=pack"), ("debtor-creditor", "silence=3 heartbeat-period=2"),
    ("debtor-creditor", "try-retries=3 message-delay=0.1"),
    ("debtor-creditor", "full-heartbeat-every=3 message-delay=0.1 message-loss=0.1"),
    ("debtor-creditor", "unreliable-until=3 message-delay=0.1 message-duplicates=0.1"),
    ("debtor-creditor", "full-heartbeat-every=3 message-delay=0.1 message-jitter=2"),
  ])
  func `an option of a policy that may have an effect is not said, and is in the manifest`(
    policy: String, pairs: String
  ) throws {
    defer { cleanUp() }
    let command = ["run", "--policy", policy, "--gpus-per-node", "2", "--trace", "t.csv"]
    let options = pairs.split(separator: " ").flatMap { ["--option", String($0)] }
    let (without, with) = (try program(command + options.dropFirst(2)), try program(command + options))
    #expect(!with.errors.contains("without effect"), "\(with.errors)")
    #expect(with.status == 0 && names(with).last != names(without).last)
  }

  @Test func `what has an effect is not said`() throws {
    defer { cleanUp() }
    let outcome = try program([
      "run", "--policy", "debtor-creditor", "--gpus-per-node", "2", "--nodes", "2", "--trace", "l.csv",
      "--arrivals", "poisson:3", "--trace-seed", "7", "--jitter", "1", "--rate-scale", "2", "--lenient",
      "--max-skipped", "0.1", "--inter-node", "hdr200", "--router", "round-robin", "--option", "period=2",
      "--option", "prefill-attention=home", "--option", "message-delay=0.1", "--db", "r.db", "--force",
    ])
    #expect(outcome.status == 0 && !outcome.errors.contains("without effect"), "\(outcome.errors)")
  }

  @Test func `leave to skip rows that nobody used makes no other run`() throws {
    defer { cleanUp() }
    let command = ["run", "--policy", "vllm-m", "--trace", "t.csv"]
    let plain = try names(program(command))
    for more in [["--lenient"], ["--time-unit", "s"], ["--sort"]] {
      #expect(try names(program(command + more)) == plain, "\(more)")
    }
  }

  @Test func `jitter of a trace without times is an error, unless it is given some`() throws {
    defer { cleanUp() }
    for command in [
      ["run", "--policy", "vllm-m", "--trace", "l.csv"], ["trace", "inspect", "l.csv"],
      ["trace", "check", "l.csv"], ["trace", "convert", "l.csv", "--out", "x.csv"],
    ] {
      let refused = try program(command + ["--jitter", "3"])
      #expect(refused.status == 64 && refused.output.isEmpty, "\(refused)")
      #expect(refused.errors.contains("l.csv has no times that could have been rounded; --arrivals"))
      #expect(try program(command + ["--jitter", "3", "--arrivals", "fixed:2"]).status == 0)
    }
  }

  @Test func `policies that share an option are warned of it together, and only if none uses it`() throws {
    defer { cleanUp() }
    func errors(_ arguments: String...) throws -> String {
      try program(["compare", "--trace", "t.csv", "--gpus-per-node", "2"] + arguments).errors
    }
    let none = try errors("--policies", "vllm-m,vllm-s", "--longest", "5000", "--force")
    #expect(none.contains("warning: --force: without effect without --db\n"), "\(none)")
    #expect(none.contains("warning: --longest: without effect as vllm-m is not sized by it, as vllm-s is"))
    let one = try errors("--policies", "vllm-m,vllm-m-fit", "--longest", "5000")
    #expect(!one.contains("without effect"), "\(one)")
  }

  @Test func `a study is warned of options that no point uses`() throws {
    defer { cleanUp() }
    func errors(_ study: String, _ arguments: String...) throws -> String {
      try write("s.yaml", "study: s\n" + study)
      try? FileManager.default.removeItem(atPath: folder + "/s.db")
      return try program(["sweep", "s.yaml", "--db", "s.db"] + arguments).errors
    }
    let idle = try errors(
      "options: {trace: t.csv, longest: 5000, trace-seed: 3, watermark: 5, engine: chunked}\ncontenders: [vllm-m]\n",
      "--chunks", "4", "--sbatch=--mem=1")
    for sentence in [
      "--longest: without effect as vllm-m is not sized by it",
      "--trace-seed: without effect as nothing is drawn",
      "--option watermark: without effect under --engine chunked",
      "--chunks, --sbatch: without effect without --engine slurm",
    ] {
      #expect(
        idle.matches(of: try Regex(NSRegularExpression.escapedPattern(for: "warning: \(sentence)\n"))).count
          == 1, "\(sentence): \(idle)")
    }
    let used = try errors(
      "options: {longest: 5000, trace-seed: 3, inter-node: hdr200}\naxes: {nodes: [1, 2], trace: {t: {trace: t.csv}, l: {trace: l.csv, arrivals: \"poisson:2\"}}}\ncontenders: [vllm-s, vllm-m-fit]\n"
    )
    #expect(!used.contains("without effect") && used.contains("runs made"), "\(used)")
    let dry = try errors("options: {trace: t.csv}\ncontenders: [vllm-m]\n", "--dry-run", "--junit", "j.xml")
    #expect(dry.contains("warning: --db, --junit: without effect with --dry-run\n"), "\(dry)")
  }

  @Test func `capacity offers nothing that it does not have, and says what it does not use`() throws {
    defer { cleanUp() }
    let help = try program(["capacity", "--help"]).output
    for option in ["--db", "--force", "--timing", "--step-by-step"] {
      #expect(!help.contains("\n  \(option)"), "\(option)")
      let outcome = try program([
        "capacity", "--trace", "t.csv", "--policy", "vllm-m", "--slo-ttft", "1", option,
      ])
      #expect(outcome.status == 64 && outcome.errors.contains(option), "\(outcome.errors)")
    }
    let steady = (0..<2_500).map { "\(Double($0) / 10),100,1\n" }.joined()
    try write("steady.csv", "arrival_s,input_tokens,output_tokens\n" + steady)
    let nodes = try program([
      "capacity", "--trace", "steady.csv", "--policy", "debtor-creditor", "--slo-ttft", "5", "--fewest-nodes",
      "2",
      "--gpus-per-node", "1", "--from", "1", "--to", "2", "--inter-node", "hdr200",
    ])
    #expect(nodes.errors.contains("warning: --from, --to: without effect with --fewest-nodes\n"), "\(nodes)")
    #expect(!nodes.errors.contains("--inter-node"), "\(nodes.errors)")
  }

  @Test(arguments: [
    ("trace check t.csv --trace-seed 1", "--trace-seed: without effect as nothing is drawn"),
    ("trace inspect t.csv --pool-span 0:1", "--pool-span: without effect on a trace that is no client pool"),
    ("trace convert t.csv --out - --max-skipped 0.1", "--max-skipped: without effect without --lenient"),
    ("trace convert l.csv --out - --to lengths --rate-scale 2", "--rate-scale: without effect as all"),
    ("cost iteration --cached 100", "--cached: without effect without --prefill"),
    ("cost iteration --batch 0 --prefill 10 --context 10", "--context: without effect with --batch 0"),
    ("cost sweep --inter-node hdr200", "--inter-node: without effect on one node"),
    ("torture --replay 1 --seeds 5", "--seeds: without effect with --replay"),
  ])
  func `other commands say it too`(command: String, sentence: String) throws {
    defer { cleanUp() }
    let outcome = try program(command.split(separator: " ").map(String.init))
    #expect(outcome.status == 0 && outcome.errors.contains("warning: \(sentence)"), "\(outcome.errors)")
  }
}
