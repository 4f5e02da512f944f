/// The engine profiles known by name.
public enum EngineCatalog {
  /// vLLM of 2023 and 2024 with CUDA graphs, its workers driven through Ray: what older tables were made with.
  public static let vllm = EngineProfile(
    name: "vllm",
    summary: "vLLM with CUDA graphs, workers driven through Ray (host times measured by Vidur)",
    // costmodel.md 6, Vidur cpu_overheads; TP1 is 1.3 ms of which Ray is 0.5; TP > 1 is 1.5 ms and Ray's 6.5.
    host: HostCost(single: 1_300, singlePerSequence: 43, sharded: 8_000, shardedPerSequence: 45))

  /// vLLM of 2023 without CUDA graphs, whose attention does not split the context.
  ///
  /// Three parameters are fitted to `distserve_profiler-a100-80g.vllm.json`, OPT-13B on 1, 2 and 4 GPUs, by
  /// `validate engine --fit`: the host's time for one GPU, for more, and per sequence. A floor per layer would fit
  /// OPT-13B as well (all its rows have 40 layers), but not OPT-66B, whose 64 layers add no host time.
  public static let vllm2023Eager = EngineProfile(
    name: "vllm-2023-eager",
    summary: "vLLM of 2023, eager, PagedAttention v1 (fitted to DistServe's whole iterations of OPT-13B)",
    accounting: .vllm01,
    host: HostCost(single: 4_883, singlePerSequence: 83.36, sharded: 14_853, shardedPerSequence: 83.36),
    decodeKernel: .unsplit)

  /// An engine whose launches hide behind the GPU's work.
  ///
  /// Three parameters are fitted to `distserve_profiler-a100-80g.distserve.json`, OPT-13B on 1, 2 and 4 GPUs, by
  /// `validate engine --fit`: the gap per layer, the host's time per sequence, and the share of the bandwidth.
  public static let cudaGraph = EngineProfile(
    name: "cuda-graph",
    summary: "launches hidden behind the GPU, no Ray (fitted to DistServe's own engine on OPT-13B)",
    host: HostCost(single: 0, singlePerSequence: 25.32, sharded: 0, shardedPerSequence: 25.32),
    gapPerLayer: 55.68, decodeKernel: .unsplit, decodeBandwidthShare: 0.8100)

  /// vLLM with what its later releases have: CUDA graphs, no Ray, its own all-reduce, FlashAttention-2.
  public static let vllmRecent = EngineProfile(
    name: "vllm-recent",
    summary: "vLLM 0.14's kernels: FlashAttention-2, own all-reduce; CUDA graphs, no Ray",
    host: HostCost(single: 800, singlePerSequence: 43, sharded: 1_500, shardedPerSequence: 45),
    decodeKernel: .flashAttention, customAllReduce: true)

  /// Kernels only, without host time: what the data-sheet profiles run.
  public static let kernelsOnly = EngineProfile(
    name: "kernels-only", summary: "no host time and no launch gaps: a bound", scheduler: .chunked,
    host: .none)

  /// All profiles, the default first.
  public static let all = served + [vllm, vllmRecent, vllm2023Eager, cudaGraph, kernelsOnly]

  /// The profile of that name, or that of a version of an engine such as "vllm-0.6.1", with that version's account of memory;
  /// `nil` for another. `EngineChoice` says why.
  public static func named(_ name: String) -> EngineProfile? { (try? EngineChoice(name))?.profile }

  /// What a version of vLLM runs as; `nil` for text that is no version. `v0` is its V0 engine, where it has both.
  public static func vllm(version: String, v0: Bool = false) -> EngineProfile? {
    guard let numbers = KVAccounting.numbers(version),
      let release = EngineReleases.release(of: "vllm", version: version)
    else { return nil }
    guard v0, !numbers.lexicographicallyPrecedes([0, 8]) else { return release.profile(version: version) }
    var profile = vllmV0
    (profile.accounting, profile.limits) = (.vllm064, .vllm064)
    return profile
  }
}
