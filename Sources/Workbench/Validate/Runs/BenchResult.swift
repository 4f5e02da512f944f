/// A result of `vllm bench serve --save-result --save-detailed` (before: `benchmark_serving.py`): all requests at once.
enum BenchResult {
  static let format = RunFormat(
    name: "vllm-bench",
    summary: "One JSON object a file, of requests sent all at once; its name says GPU and TP: …a100…_tp4….",
    columns: ["model_id", "duration", "input_lens", "output_lens", "request_rate"],
    optional: ["backend", "date", "engine_version", "gpu", "tensor_parallel", "max_concurrency"])

  static func read(_ fields: BenchmarkFields) throws -> ReadRun {
    let run = try VLLMBenchmark.read(fields)
    guard let model = run.model, !model.isEmpty else { throw fields.failure("model_id", "a name") }
    guard let duration = run.reported.duration, !run.requests.isEmpty else {
      throw fields.failure("input_lens", "the lengths of requests (--save-detailed)")
    }
    guard run.load == .atOnce else {
      return .leftOut(
        "not all at once, as max_concurrency or request_rate says: `validate run` replays those")
    }
    let words = words(of: fields.place)
    guard let gpu = run.gpu ?? words.first(where: { GPUName($0).isKnown }) else {
      return .leftOut("neither the file nor its name says on which GPU")
    }
    let named = words.lazy.filter { $0.hasPrefix("tp") }.compactMap { Int($0.dropFirst(2)) }.first
    guard let tp = run.tp ?? named, tp >= 1 else {
      return .leftOut("neither the file nor its name says which TP")
    }
    return .run(
      MeasuredRun(
        set: "vllm-bench", place: fields.place, engine: fields.string("backend") ?? "vllm",
        version: fields.string("engine_version") ?? "",
        date: fields.string("date").flatMap { Int($0.prefix(8)) }, model: model, gpu: gpu, tp: tp,
        // An output of no tokens: the model ended at once, after a prompt that it had computed.
        load: .atOnce(
          run.requests.filter { !$0.failed }.map {
            .init(prompt: max(1, $0.prompt), output: max(1, $0.output))
          }),
        measured: [(.duration, duration)]))
  }

  private static func words(of path: String) -> [String] {
    RunFiles.stem(path).lowercased().split { $0 == "_" || $0 == "." }.map(String.init)
  }
}
