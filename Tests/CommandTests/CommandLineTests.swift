import Runs
import ArgumentParser
import Output
import Results
import Sim
import Storage
import Studies
import Testing
import Workloads

@Suite struct CommandLineTests {
  private func options(_ arguments: String...) throws -> RunOptions {
    try RunOptions.parse(["--trace", "t.csv"] + arguments)
  }

  @Test func `every form of the command line is read`() throws {
    let options = try options(
      "--model", "llama2-13b", "--hardware", "a100-datasheet", "--nodes", "4", "--gpus-per-node", "8",
      "--tp", "2", "--pp", "1", "--instances", "3", "--engine", "chunked", "--max-num-seqs", "128",
      "--max-num-batched-tokens", "4096", "--kv-blocks", "7424", "--router", "most-free-kv",
      "--option", "steal=true", "--option", "prefill-attention=home", "--rate-scale", "2.5", "--limit", "10",
      "--clip-total", "4096", "--slo-ttft", "1.5", "--slo-tpot", "0.05", "--seed", "7",
      "--json", "--inter-node", "hdr200", "--gpu-memory-utilization", "0.8", "--quiet")
    #expect(options.model == "llama2-13b" && options.hardware == "a100-datasheet")
    #expect(options.tp == 2 && options.pp == 1 && options.instances == 3 && options.engine == .chunked)
    #expect(options.maxNumSeqs == 128 && options.maxNumBatchedTokens == 4096 && options.kvBlocks == 7424)
    #expect(options.router == .mostFreeKV && options.rateScale == "2.5" && options.clipTotal == 4096)
    #expect(options.slo == SLO(ttftSeconds: 1.5, tpotSeconds: 0.05) && options.seed == 7)
    #expect(options.json && options.quiet)
    let execution = try ExecutionOptions.parse(["--db", "x.db", "--timing", "--step-by-step", "--force"])
    #expect(execution.db == "x.db" && execution.timing && execution.stepByStep && execution.force)
    let pairs = try OptionPairs(options.optionArguments)
    #expect(pairs.values == ["steal": "true", "prefill-attention": "home"])
  }

  @Test func `the defaults are those of the documentation`() throws {
    let options = try options()
    #expect(options.model == "llama2-7b" && options.hardware == "a100-measured")
    #expect(options.nodes == 1 && options.gpusPerNode == 8 && options.engine == nil)
    #expect(options.router == nil && options.rateScale == "1" && options.seed == 0)
  }

  @Test(arguments: [
    ["--tp", "0"], ["--nodes", "-1"], ["--kv-blocks", "0"], ["--max-num-seqs", "99999999999"],
    ["--slo-ttft", "nan"], ["--slo-tpot", "-1"], ["--gpu-memory-utilization", "1.5"],
    ["--gpu-memory-utilization", "nan"], ["--engine", "vllm-v9"], ["--router", "random"], ["--seed", "-1"],
    ["--seed", "9007199254740993"],
    ["--unknown"], ["--engine", "chunked", "--max-num-seqs", "512", "--max-num-batched-tokens", "512"],
  ])
  func `a value out of range is a usage error`(arguments: [String]) throws {
    let outcome = try Program.run(["run", "--trace", "t.csv", "--policy", "vllm-m"] + arguments)
    #expect(outcome.status == FailureStatus.usage.rawValue)
  }

  @Test(arguments: [
    ["--policies", "a,b", "--baseline", "c"], ["--policies", "a,a"], ["--policies", ","],
    ["--policies", "a", "--seeds", "0"],
    ["--policies", "a", "--seeds", "10001"],
    ["--policies", "a", "--seeds", "2", "--seed", "9223372036854775807"],
    ["--policies", "a", "--on-reject", "maybe"],
  ])
  func `a comparison that cannot be made is a usage error`(arguments: [String]) throws {
    let outcome = try Program.run(["compare", "--trace", "t.csv"] + arguments)
    #expect(outcome.status == FailureStatus.usage.rawValue)
  }

  @Test func `an unknown option names the one that was meant and all that there are`() throws {
    let pairs = try OptionPairs(["prefil-attention=home"])
    let valid = EngineOption.all.map(\.key)
    #expect {
      try pairs.requireKnown(valid)
    } throws: { error in
      let text = "\(error)"
      return text.contains("did you mean prefill-attention?") && valid.allSatisfy(text.contains)
    }
    #expect(closest(to: "zzz", among: valid) == nil && closest(to: "app", among: valid) == "append-check")
    #expect(editDistance("kitten", "sitting") == 3 && editDistance("", "ab") == 2)
  }

  @Test(arguments: ["novalue", "=x"])
  func `an option that is no pair is refused`(argument: String) {
    #expect(throws: OptionError.notAPair(argument)) { _ = try OptionPairs([argument]) }
  }

  @Test func `an option given twice is refused`() {
    #expect(throws: OptionError.twice(key: "a")) { _ = try OptionPairs(["a=1", "a=2"]) }
  }

  @Test func `every engine option takes its values and nothing else`() throws {
    var chosen = EngineOptions()
    try EngineOption.apply(
      OptionPairs(["prefill-attention=free", "append-check=exact", "over-budget=ignore"]), to: &chosen)
    #expect(chosen.prefillAttention == .free && chosen.appendCheck == .exact && chosen.overBudget == .ignore)
    var engine = EngineOptions()
    try EngineOption.apply(OptionPairs(["padded=true", "reserve-isl=false"]), to: &engine)
    #expect(engine.padded && !engine.reserveISL)
    for option in EngineOption.all {
      #expect(throws: OptionError.self) {
        var engine = EngineOptions()
        try EngineOption.apply(OptionPairs(["\(option.key)=bogus"]), to: &engine)
      }
    }
  }

  @Test func `each kind of error has its exit code`() {
    let cases: [(any Error, FailureStatus)] = [
      (TraceError.missing(path: "t"), .missingInput),
      (TraceError.notAFile(path: "t", found: "a directory"), .missingInput),
      (TraceError.malformed(path: "t", line: 2, column: nil, found: "x", expected: "y"), .badData),
      (TraceError.invalidOption(name: "limit", found: "0", expected: "1"), .usage),
      (ModelConfigError.unreadable(file: "c"), .missingInput),
      (ModelConfigError.notAnObject(file: "c"), .badData),
      (ClusterError.illegalTP(tp: 3, model: "m", legal: [1]), .usage),
      (OptionError.notAPair("x"), .usage),
      (StoreError.notADatabase(path: "d"), .badData),
      (StoreError.newerSchema(path: "d", found: 2, supported: 1), .badData),
      (StoreError.notWritable(path: "d", reason: "r"), .runFailed),
      (CommandFailure(.missingInput, ""), .missingInput),
      (OutputError(.usage, ""), .usage), (OutputError(.refused, ""), .runFailed),
      (OutputError(.unread, ""), .brokenPipe),
      (CancellationError(), .runFailed),
    ]
    for (error, status) in cases { #expect(FailureStatus(error) == status, "\(error)") }
  }
}
