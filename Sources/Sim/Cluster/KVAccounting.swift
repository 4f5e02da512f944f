/// How an engine of some version finds the memory that is left for its cache.
///
/// vLLM runs a step of `max_num_batched_tokens` tokens and `max_num_seqs` sequences once, takes what that used from its
/// share of the GPU, and makes blocks of the rest. What "used" is has changed with its versions.
public struct KVAccounting: Hashable, Sendable {
  /// The name in `all`.
  public var name: String
  /// Which versions count so, and what is known of it.
  public var summary: String
  /// The first version that counts so, or `nil` for an account that is no engine's.
  public var since: [Int]?
  /// What the driver keeps of a board's memory, bytes: the engine's share is one of the rest, which CUDA reports.
  public var reservedBytes: Int
  /// CUDA context, libraries and workspaces, as far as the engine counts them, bytes.
  public var runtimeBytes: Int
  /// Buffers of NCCL and of the engine's own all-reduce on a GPU that is not alone, bytes.
  public var communicationBytes: Int
  /// The same for each further rank of its tensor-parallel group, and for the other stages together.
  public var communicationPerPeer: Int
  /// Vectors as wide as the residual stream that live at once in a layer, of every token.
  public var residuals: Int
  /// Bytes of a logit beside the model's own element: its copy in FP32, and what sampling makes of it.
  public var logitBytes: Int
  /// Whether activations and logits count together, as of a pool that keeps what it has freed; else the greater.
  public var addsLogits: Bool
  /// What is set aside for CUDA graphs, bytes; 0 where they are captured in the memory that is left free.
  public var graphBytes: Int
  /// Whether the engine's share is one of what all else leaves free, and not of the whole.
  public var sharesFree = false

  /// Buffers of a GPU in an instance cut as `shape`.
  func communication(_ shape: InstanceShape) -> Int {
    guard shape.gpus > 1 else { return 0 }
    return communicationBytes + communicationPerPeer * (shape.tp - 1 + (shape.pp > 1 ? 1 : 0))
  }

  /// The peak of one iteration on one rank.
  ///
  /// In a layer the residual stream and the feed-forward's gate, up and product (3 · intermediate / TP; of experts one such
  /// set and an output for each that a token is sent to) of every token live at once, in the model's precision. The logits
  /// of every sequence are over the whole vocabulary, since they are gathered.
  func activationBytes(model: ModelSpec, tp: Int, settings: KVMemorySettings) -> Int {
    var feedForward = (model.gatedFFN ? 3 : 2) * (model.intermediate / tp)
    if let experts = model.experts {
      feedForward = max(feedForward, experts.perToken * (3 * experts.intermediate / tp + model.hidden))
    }
    let layers =
      settings.maxBatchedTokens * (residuals * model.hidden + feedForward) * model.bytesPerElement
    let logits = settings.maxSequences * model.vocab * (model.bytesPerElement + logitBytes)
    return addsLogits ? layers + logits : max(layers, logits)
  }
}

extension KVAccounting {
  /// What runs assume. 1 GiB is a round number chosen so that Llama-2-7B comes to the 7,424 blocks of workload W1, with the
  /// whole of the board's memory; logits live in the model's precision and three times in FP32 (cast, probabilities,
  /// log-probabilities). Within 1 % of what DistServe reports for 25 shapes of OPT-13B.
  public static let assumed = KVAccounting(
    name: "assumed", summary: "what runs assume: the whole board, 1 GiB of runtime, 350 MB of buffers",
    since: nil, reservedBytes: 0, runtimeBytes: 1 << 30,
    // aiconfigurator a100_sxm.yaml: 342 to 392 MB of NCCL buffers per GPU.
    communicationBytes: 350_000_000, communicationPerPeer: 0,
    residuals: 2, logitBytes: 12, addsLogits: true, graphBytes: 0)

  /// PyTorch reports 39.38 to 39.59 GiB of an A100's 40 (vllm-project/vllm#16570, meta-llama/llama#52), 79.15 to 79.33 of 80, 79.1 to
  /// 79.25 of an H100's 79.65 (#10511), 23.55 to 23.69 of 24 (#13061, #10517), 22.07 of an A10's 22.49: 0.3 to 0.85 less.
  private static let reserved = 560 << 20
  /// 0.125 GiB: vLLM prints 0.13 of non_torch_memory for one H100 (llm-d/llm-d-benchmark,
  /// `config_explorer/empirical-vllm-memory-results.md`), 0.05 to 0.35 for others (#10517, #11550, #12126).
  private static let oneGPU = 1 << 27
  /// 0.42 GiB for each peer that NVLink joins: the same table has 0.54 and 0.55 for two GPUs, vLLM 0.9 prints 1.39 for four.
  /// Without NVLink 0.25 (two RTX 4090, #13061) to 0.43 (four A100-40GB, #16570) in all.
  private static let perPeer = 430 << 20
  /// 39 bytes with the element, where PyTorch samples: the same table has 4.76 GiB for 1,024 sequences and 128,256 entries, 5.56
  /// and 5.64 for 151,936, 7.38 for 201,088; V0 prints 0.94 for 256 and 100,352 (Phi-4), 1.26 for 128,256 (#10511): 38 to 41.
  /// FlashInfer's sampler takes 10 (dennislee22/vLLM-benchmarking).
  private static let sampled = 37

  /// vLLM to 0.2.4: the peak of what PyTorch has allocated, and nothing else (vllm-project/vllm#2031).
  public static let vllm01 = KVAccounting(
    name: "vllm-0.1", summary: "vLLM to 0.2.4: the peak of what PyTorch has allocated", since: [0, 1],
    reservedBytes: reserved, runtimeBytes: 0, communicationBytes: 0, communicationPerPeer: 0, residuals: 3,
    logitBytes: sampled, addsLogits: false, graphBytes: 0)

  /// vLLM 0.2.5 to 0.6.3: what the driver says is not free after the step, so the pool of PyTorch with what it has freed, and
  /// NCCL (vllm-project/vllm#2031). The communication is fitted: it gives the pool that Argonne's three runs of
  /// Llama-2-70B on 4 × A100-40GB imply, 660 blocks.
  public static let vllm02 = KVAccounting(
    name: "vllm-0.2.5", summary: "vLLM 0.2.5 to 0.6.3: what is not free after a full step",
    since: [0, 2, 5], reservedBytes: reserved, runtimeBytes: oneGPU, communicationBytes: 0,
    communicationPerPeer: 616 << 20, residuals: 3, logitBytes: sampled, addsLogits: true, graphBytes: 0)

  /// vLLM 0.6.4 to 0.7, and V0 later: the peak of what PyTorch has allocated, and what it has not (vllm-project/vllm#9352, #10511).
  ///
  /// 3 residuals: Llama-3.1-8B takes 2.07 and 2.99 GiB for 20,000 and 29,000 tokens (vllm-project/vllm#10517).
  public static let vllm064 = KVAccounting(
    name: "vllm-0.6.4", summary: "vLLM 0.6.4 to 0.7 and the V0 engine later: the peak of a full step",
    since: [0, 6, 4], reservedBytes: reserved, runtimeBytes: oneGPU, communicationBytes: 0,
    communicationPerPeer: perPeer, residuals: 3, logitBytes: sampled, addsLogits: false, graphBytes: 0)

  /// vLLM 0.8 to 0.20, the V1 engine: the same.
  public static let vllm08 = KVAccounting(
    name: "vllm-0.8", summary: "vLLM 0.8 to 0.20, V1 engine: the peak of a full step",
    since: [0, 8], reservedBytes: reserved, runtimeBytes: oneGPU, communicationBytes: 0,
    communicationPerPeer: perPeer, residuals: 3, logitBytes: sampled, addsLogits: false, graphBytes: 0)

  /// vLLM 0.21 and later takes an estimate of its CUDA graphs as well (vllm-project/vllm#30515): 0.2 to 0.7 GiB are printed, up to
  /// 1.6 for large batches.
  public static let vllm021 = KVAccounting(
    name: "vllm-0.21", summary: "vLLM 0.21 and later: as 0.8, less an estimate of the CUDA graphs",
    since: [0, 21], reservedBytes: reserved, runtimeBytes: oneGPU, communicationBytes: 0,
    communicationPerPeer: perPeer, residuals: 3, logitBytes: sampled, addsLogits: false,
    graphBytes: 600 << 20)

  /// TensorRT-LLM: `free_gpu_memory_fraction`, 0.9, of what weights, context and activations leave free
  /// (docs/source/reference/memory.md). The logits of a step are in FP32. What nothing tells is as above: the context of the
  /// driver and the libraries, 0.5 GiB, is about what PyTorch's reports leave of a board, and the buffers are those of `assumed`.
  public static let tensorRT = KVAccounting(
    name: "tensorrt-llm-1",
    summary: "TensorRT-LLM 1.0 and later: a share of what weights and activations leave free",
    since: nil, reservedBytes: reserved, runtimeBytes: 1 << 29, communicationBytes: 350_000_000,
    communicationPerPeer: 0, residuals: 3, logitBytes: 2, addsLogits: true, graphBytes: 0, sharesFree: true)

  /// The same before 1.0, with buffers that are fitted: Argonne's batches of 70B on 4 × A100-40GB (TensorRT-LLM 0.11) take as
  /// many rounds as with just under 2,048 blocks of Llama 2, and 1,024 to 1,400 of Llama 3. What else they hold is not known.
  public static let tensorRT0 = KVAccounting(
    name: "tensorrt-llm-0", summary: "TensorRT-LLM before 1.0: the same, with buffers that are fitted",
    since: nil, reservedBytes: reserved, runtimeBytes: 1 << 29, communicationBytes: 3_470 << 20,
    communicationPerPeer: 0, residuals: 3, logitBytes: 2, addsLogits: true, graphBytes: 0, sharesFree: true)

  /// All accounts, the default first.
  public static let all = [assumed, vllm01, vllm02, vllm064, vllm08, vllm021, tensorRT0, tensorRT]

  /// The account of an engine version such as "0.6.3.post1" or "v0.11"; `nil` for text that is no version, or one before 0.1.
  public init?(version text: String) {
    guard let numbers = Self.numbers(text) else { return nil }
    self.init(numbers: numbers)
  }

  /// The account of a version by its numbers; `nil` for one before 0.1.
  init?(numbers version: [Int]) {
    guard
      let account = Self.all.last(where: { account in
        account.since.map { !version.lexicographicallyPrecedes($0) } ?? false
      })
    else { return nil }
    self = account
  }

  /// The numbers of a version of vLLM, two or more; `nil` for text that is none, for one before 0.1, and for builds that do not
  /// know their version and call themselves 0.1.dev.
  static func numbers(_ text: String) -> [Int]? {
    guard let version = EngineVersion(text), !version.numbers.lexicographicallyPrecedes([0, 1]),
      !version.isUnknownBuild
    else { return nil }
    return version.numbers
  }

  /// The same of what a file says of its engine, which counts by the version that it begins with: "0.5.4 to 0.6.1" is 0.5.4.
  static func leadingNumbers(_ text: String) -> [Int]? {
    let digits = text.hasPrefix("v") ? text.dropFirst() : text[...]
    var version: [Int] = []
    for part in digits.split(separator: ".", omittingEmptySubsequences: false) {
      guard let number = Int(part.prefix { $0.isNumber }) else { break }
      version.append(number)
      if part.contains(where: { !$0.isNumber }) { break }
    }
    guard version.count >= 2, !version.lexicographicallyPrecedes([0, 1]), !digits.hasPrefix("0.1.dev") else {
      return nil
    }
    return version
  }

  /// The account of that name, or `nil`.
  public static func named(_ name: String) -> KVAccounting? { all.first { $0.name == name } }
}
