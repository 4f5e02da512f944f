import Foundation
import Results
import Runs
import Sim
import Testing
import Workloads

/// `vllm-m-fit`: the smallest TP whose instance holds the longest request, worked out by hand.
@Suite struct RightSizingTests {
  let folder: String

  init() throws {
    folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString).path
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
  }

  private func write(_ text: String, to name: String = "t.csv") throws {
    try text.write(toFile: folder + "/" + name, atomically: true, encoding: .utf8)
  }

  private func cleanUp() { try? FileManager.default.removeItem(atPath: folder) }

  private static let header = "arrival_s,input_tokens,output_tokens\n"

  private func plan(_ arguments: String...) throws -> RunPlan {
    let options = try RunOptions.parse(
      ["--trace", "t.csv", "--kv-blocks", "100", "--max-model-len", "100000"] + arguments)
    return try RunPlan.make(
      policy: "vllm-m-fit", options: options, pairs: OptionPairs(options.optionArguments), scope: .itself)
  }

  /// A rank has 100 blocks of 16 tokens. vllm-v0 keeps 1 % of them free: 99 × 16 = 1,584 tokens can be stored, 3,168 by two
  /// ranks, 12,672 by eight. chunked keeps one block of the instance: 1,584, 3,184, 12,784. The last token is not stored.
  @Test(arguments: [
    ("vllm-v0", 1_585, "TP1 × PP1 × 8", 100, 256, true), ("vllm-v0", 1_586, "TP2 × PP1 × 4", 200, 512, true),
    ("vllm-v0", 3_169, "TP2 × PP1 × 4", 200, 512, true),
    ("vllm-v0", 3_170, "TP4 × PP1 × 2", 400, 1_024, true),
    ("vllm-v0", 12_673, "TP8 × PP1 × 1", 800, 2_048, true),
    ("vllm-v0", 12_674, "TP8 × PP1 × 1", 800, 2_048, false),
    ("chunked", 1_585, "TP1 × PP1 × 8", 100, 256, true), ("chunked", 1_586, "TP2 × PP1 × 4", 200, 512, true),
    ("chunked", 3_185, "TP2 × PP1 × 4", 200, 512, true),
    ("chunked", 3_186, "TP4 × PP1 × 2", 400, 1_024, true),
    ("chunked", 12_785, "TP8 × PP1 × 1", 800, 2_047, true),
    ("chunked", 12_786, "TP8 × PP1 × 1", 800, 2_047, false),
  ])
  func `the smallest TP that holds the longest request is chosen to the token`(
    engine: String, longest: Int, layout: String, blocks: Int, sequences: Int, isHeld: Bool
  ) throws {
    let plan = try plan("--engine", engine, "--longest", "\(longest)")
    #expect(plan.layout == layout && plan.blocksPerInstance == blocks && plan.maxNumSeqs == sequences)
    #expect(plan.sizing == RightSizing(longest: longest, isHeld: isHeld))
    #expect(
      plan.assumptions.contains { $0.contains("vllm-m-fit takes") && $0.contains("hidden output lengths") })
    #expect(plan.warnings.contains { $0.contains("not even its instance holds") } == !isHeld)
  }

  @Test func `--tp says only what --kv-blocks and --max-num-seqs describe`() throws {
    let ofTwo = try plan("--tp", "2", "--longest", "1585", "--max-num-seqs", "10")
    // 50 blocks a rank: 50 × 16 hold too little, 100 blocks less the watermark of 1 are enough.
    #expect(ofTwo.layout == "TP2 × PP1 × 4" && ofTwo.blocksPerInstance == 100 && ofTwo.maxNumSeqs == 10)
    let ofOne = try plan("--tp", "2", "--longest", "700", "--max-num-seqs", "10")
    #expect(ofOne.layout == "TP1 × PP1 × 8" && ofOne.blocksPerInstance == 50 && ofOne.maxNumSeqs == 5)
    // As many GPUs as the small instances have, and whole instances.
    #expect(try plan("--instances", "6", "--longest", "1586").layout == "TP2 × PP1 × 3")
    #expect(try plan("--instances", "3", "--longest", "12673").layout == "TP8 × PP1 × 1")
    #expect(try plan("--pp", "2", "--longest", "1586").layout == "TP2 × PP2 × 2")
  }

  @Test
  func `the longest request is that of the trace, also of a redraw, and a one-token output counts as two`()
    throws
  {
    defer { cleanUp() }
    try write(Self.header + "0,100,20\n1,300,1\n2,5,200\n")
    for (arguments, longest) in [
      ([], 302), (["--seed", "3"], 302), (["--limit", "1"], 120), (["--clip-total", "250"], 251),
      (["--at-once"], 302),
    ] as [([String], Int)] {
      let options = try RunOptions.parse(["--trace", folder + "/t.csv"] + arguments)
      #expect(try Workload.load(options, seed: options.seed).longest == longest, "\(arguments)")
    }
    let generated = try RunOptions.parse(["--trace", "paper:1,requests=50"])
    #expect(try Workload.load(generated, seed: 0).longest != nil)
    #expect(try Workload.load(generated, seed: 1).longest == nil)
  }

  @Test func `the program chooses, says so everywhere, and the same manifest gives the same bytes`() throws {
    defer { cleanUp() }
    try write(Self.header + (0..<20).map { "\($0),\(200 + 10 * $0),30\n" }.joined() + "20,1557,29\n")
    let small = [
      "--trace", "t.csv", "--gpus-per-node", "4", "--kv-blocks", "100", "--quiet", "--max-model-len",
      "100000",
    ]
    let run = ["run", "--policy", "vllm-m-fit", "--json"] + small
    let first = try Program.run(run, in: folder)
    let json = try JSON(parsing: first.output)
    #expect(first.status == 0 && json["requests"]?["completed"] == 21)
    #expect(json["right_sizing"]?["longest_tokens"] == 1_586 && json["right_sizing"]?["is_held"] == true)
    #expect(try Program.run(run + ["--db", "runs.db"], in: folder).output == first.output)
    #expect(try Program.run(run + ["--longest", "1586"], in: folder).output == first.output)
    let stored = try Program.run(
      run.filter { $0 != "--quiet" } + ["--longest", "1586", "--db", "runs.db"], in: folder)
    #expect(stored.output == first.output && stored.errors.contains("run 1 of runs.db"))

    let text = try Program.run(
      ["compare", "--on-reject", "raw", "--db", "runs.db"] + small.filter { $0 != "--quiet" }, in: folder)
    #expect(text.errors.contains("1 runs are taken from runs.db"))
    #expect(text.status == 0 && text.output.contains("TP2 × PP1 × 2"))
    #expect(text.output.contains("| longest request sized for, tokens "))
    #expect(text.output.contains("vllm-m-fit takes TP2, the smallest"))
    #expect(text.output.contains("oracle sizing"))
    let none = try Program.run(run + ["--longest", "100000"], in: folder)
    #expect(try JSON(parsing: none.output)["right_sizing"]?["is_held"] == false)
    let loud = try Program.run(run.filter { $0 != "--quiet" } + ["--longest", "100000"], in: folder)
    #expect(loud.errors.contains("warning: vllm-m-fit takes TP4, the largest within a node, and not even"))
    // What is longer than --longest says is rejected, as under any policy.
    let short = try JSON(
      parsing: try Program.run(run + ["--longest", "500", "--kv-blocks", "90"], in: folder).output)
    #expect(short["requests"]?["rejected"] == 1 && short["rejected_by_reason"]?["exceeds-capacity"] == 1)
  }

  @Test func `where the longest request is not known in advance it must be told`() throws {
    defer { cleanUp() }
    try write(
      "arrival_s,input_tokens,output_tokens,session,turn,think_s\n0,10,5,1,1,\n9,30,5,1,2,1\n", to: "c.csv")
    #expect(mkfifo(folder + "/pipe", 0o600) == 0)
    let cases = [
      ["run", "--policy", "vllm-m-fit", "--trace", "paper:1,requests=50", "--seed", "2"],
      ["compare", "--trace", "paper:1,requests=50", "--seeds", "2"],
      ["capacity", "--policy", "vllm-m-fit", "--trace", "paper:1,requests=50", "--slo-ttft", "5"],
      ["run", "--policy", "vllm-m-fit", "--trace", "/dev/stdin"],
      ["run", "--policy", "vllm-m-fit", "--trace", "pipe"],
      ["run", "--policy", "vllm-m-fit", "--trace", "c.csv", "--closed-loop"],
    ]
    for arguments in cases {
      let outcome = try Program.run(arguments, in: folder)
      #expect(outcome.status == 64 && outcome.output.isEmpty, "\(arguments)")
      #expect(outcome.errors.contains("give --longest TOKENS, its prompt + output"), "\(outcome.errors)")
    }
    for arguments in [cases[0], cases[5]] {
      #expect(try Program.run(arguments + ["--longest", "9000", "--quiet"], in: folder).status == 0)
    }
    let least = try Program.run(cases[0] + ["--longest", "1"], in: folder)
    #expect(least.status == 64 && least.errors.contains("--longest is 1, expected 2 to"))
  }

  @Test func `a study names it, sized by the trace for all seeds, or by longest where redraws are generated`()
    throws
  {
    defer { cleanUp() }
    try write(Self.header + (0..<80).map { "\($0),\(200 + 10 * $0),30\n" }.joined() + "80,1557,29\n")
    func sweep(_ options: String, _ expect: String) throws -> Program.Outcome {
      try write(
        "study: s\nseeds: 2\noptions: {kv-blocks: 100, gpus-per-node: 4, max-model-len: 100000, \(options)}\ncontenders: [vllm-m, vllm-m-fit]\n"
          + "expect:\n  - \(expect)\n", to: "s.yaml")
      return try Program.run(["sweep", "s.yaml", "--db", "a.db", "--quiet"], in: folder)
    }
    let file = try sweep("trace: t.csv", "low(value(vllm-m-fit, right_sizing.longest_tokens)) == 1586")
    #expect(file.status == 0, "\(file.errors)")
    let generated = "trace: \"paper:1,requests=50\""
    let unknown = try sweep(generated, "value(vllm-m-fit, completed) > 0")
    #expect(unknown.status == 65 && unknown.errors.contains("give --longest TOKENS"), "\(unknown.errors)")
    let told = try sweep(
      generated + ", longest: 6000", "value(vllm-m-fit, right_sizing.longest_tokens) == 6000")
    #expect(told.status == 0, "\(told.errors)")
  }
}
