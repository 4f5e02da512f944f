/// Profiles of the engines that people serve with, by engine and version. What each was scored on is in docs/validation.md;
/// `EngineReleases` says which versions run as which.
extension EngineCatalog {
  /// vLLM 0.4 to 0.7: prompts first, CUDA graphs for decoding, the CPU's work before the GPUs'.
  ///
  /// Two constants, the time of an iteration of several GPUs and of each sequence, fitted to the least sum of two means: that of
  /// 125 static batches of Argonne's LLM-Inference-Bench (vLLM 0.5.4 to 0.6.1, A100-40GB, TP1 and TP4, five models), and that
  /// of Lambda's eight results (vLLM 0.6.0, A100-80GB, TP1, TP4 and TP8, three models). 78 and 82 µs a sequence are equally good.
  /// One GPU's own constant came out as 0.
  public static let vllmV0 = EngineProfile(
    name: "vllm-0.4",
    summary: "vLLM 0.4 to 0.7: CUDA graphs, serial host (fitted to Argonne's and Lambda's batches on A100)",
    scheduler: .vllmV0, limits: .vllm053, accounting: .vllm02,
    host: HostCost(single: 0, singlePerSequence: 78, sharded: 1_200, shardedPerSequence: 78),
    // vllm/worker/model_runner.py, _BATCH_SIZES_TO_CAPTURE: up to 256.
    graphSizes: GraphSizes(largest: 256),
    decodeKernel: .flashAttention, fusesResidual: true, customAllReduce: true)

  /// vLLM 0.8 to 0.13, the V1 engine with the CPU's work between the GPUs' steps.
  ///
  /// Two constants, fitted to 90 closed loops of Qwen3-32B (vLLM 0.12, H100, TP2 to TP8); docs/validation.md has what they come to,
  /// with and without each TP (`Benchmarks/host-fit`).
  public static let vllmV1 = EngineProfile(
    name: "vllm-0.8",
    summary: "vLLM 0.8 to 0.13: chunked prompts, serial host (fitted to closed loops of Qwen3-32B on H100)",
    scheduler: .chunked, accounting: .vllm08, host: v1Host,
    // vllm/config: cudagraph_capture_sizes up to 512.
    graphSizes: GraphSizes(largest: 512),
    decodeKernel: .flashAttention, fusesResidual: true, customAllReduce: true)

  /// vLLM from 0.21, the default: as `vllmV1FirstAsync`, with the memory set aside for CUDA graphs.
  public static let vllmV1Async = async(
    "vllm-0.21",
    "vLLM 0.21 and later: as vllm-0.14, an estimate of the CUDA graphs taken from the cache", .vllm021)

  /// vLLM 0.14 to 0.20, where asynchronous scheduling is the default: the CPU prepares a step while the GPUs compute the one
  /// before. Nothing fitted: the host's times are those of `vllmV1`, and hide behind the GPUs nearly everywhere.
  public static let vllmV1FirstAsync = async(
    "vllm-0.14",
    "vLLM 0.14 to 0.20: chunked prompts, the host beside the GPUs (nothing fitted beyond vllm-0.8)", .vllm08)

  private static func async(_ name: String, _ summary: String, _ accounting: KVAccounting) -> EngineProfile {
    EngineProfile(
      name: name, summary: summary, scheduler: .chunked, accounting: accounting, host: v1Host,
      overlapsHost: true,
      graphSizes: GraphSizes(largest: 512), decodeKernel: .flashAttention, fusesResidual: true,
      customAllReduce: true)
  }

  private static let v1Host = HostCost(
    single: 620, singlePerSequence: 47, sharded: 620, shardedPerSequence: 47)

  /// TensorRT-LLM before 1.0, the C++ engine with NCCL between GPUs.
  ///
  /// Two constants, chosen on static batches of Argonne's LLM-Inference-Bench (TensorRT-LLM 0.11; A100-40GB and H100): the
  /// host's time of an iteration and of each sequence. NCCL fits TP4 better than a kernel like vLLM's (9.5 and 10.2 % on A100).
  public static let tensorRTLLM0 = EngineProfile(
    name: "tensorrt-llm-0",
    summary:
      "TensorRT-LLM before 1.0: NCCL, serial host (fitted to Argonne's static batches); preempts, where it keeps room for outputs",
    // Release notes of 0.11: trtllm-build's max_num_tokens is 8,192 and max_batch_size 256; 2,048 from 0.14 on.
    scheduler: .chunked, limits: DefaultLimits(StepLimits(tokens: 8_192, sequences: 256)),
    accounting: .tensorRT0,
    host: HostCost(single: 200, singlePerSequence: 15, sharded: 200, shardedPerSequence: 15),
    decodeKernel: .flashAttention, fusesResidual: true)

  /// TensorRT-LLM from 1.0, the PyTorch engine, whose scheduler overlaps with the GPUs by default. Nothing fitted.
  public static let tensorRTLLM = EngineProfile(
    name: "tensorrt-llm-1",
    summary:
      "TensorRT-LLM 1.0 and later: the host beside the GPUs (nothing fitted); preempts, where it keeps room for outputs",
    // tensorrt_llm/llmapi/llm_args.py: max_num_tokens 8,192, max_batch_size 2,048.
    scheduler: .chunked, limits: DefaultLimits(StepLimits(tokens: 8_192, sequences: 2_048)),
    accounting: .tensorRT, host: v1Host, overlapsHost: true,
    decodeKernel: .flashAttention, fusesResidual: true, customAllReduce: true)

  /// SGLang 0.4 and later: prompts first, the host beside the GPUs (overlap scheduler). Nothing fitted.
  ///
  /// It cuts prompts beyond 8,192 tokens into chunks that still come before decoding, which no engine here does: they run whole.
  public static let sglang = EngineProfile(
    name: "sglang-0.4",
    summary:
      "SGLang: prompts first and whole, also those beyond 8,192 tokens that it cuts; the host beside the GPUs (nothing fitted)",
    scheduler: .vllmV0,
    // The budget of a step: as many tokens as one chunk of SGLang's has at most on GPUs of 80 GB and more
    // (sglang/srt/server_args.py, chunked_prefill_size).
    limits: DefaultLimits(StepLimits(tokens: 8_192, sequences: 1_024)),
    host: v1Host, overlapsHost: true, graphSizes: GraphSizes(largest: 512),
    decodeKernel: .flashAttention, fusesResidual: true, customAllReduce: true)

  /// All of them, the newest of each engine first; the first is the default.
  static let served = [vllmV1Async, vllmV1FirstAsync, vllmV1, vllmV0, tensorRTLLM, tensorRTLLM0, sglang]
}
