import Sim

/// The hardware profile that the name of a GPU in a file stands for.
struct GPUName {
  private let name: String

  init(_ name: String) { self.name = name.lowercased() }

  /// The profile's name; `nil` for GPUs that have none.
  var profile: String? {
    let isPCIe = name.contains("pcie")
    if name.contains("a100") {
      if name.contains("40gb") || name.contains("40g") { return isPCIe ? nil : "a100-40gb" }
      return isPCIe ? "a100-pcie" : "a100-measured"
    }
    // Other boards of the name have other memory and clocks.
    guard !isPCIe, !name.contains("nvl"), !name.contains("gh200") else { return nil }
    if name.contains("h100") { return "h100-measured" }
    return name.contains("h200") ? "h200-measured" : nil
  }

  var isKnown: Bool { profile != nil }
}

/// The preset that the name of a model in a file stands for.
enum ModelName {
  static func preset(_ name: String) -> ModelSpec? {
    if let known = ModelCatalog.named(name) { return known }
    let last = name.split(separator: "/").last.map { $0.lowercased() } ?? ""
    if let known = ModelCatalog.named(last) { return known }
    // How checkpoints of the same dimensions are called.
    var stem = last.replacing("meta-", with: "")
    let isFP8 = stem.hasSuffix("-fp8")
    for ending in ["-fp8", "-hf", "-instruct", "-chat", "-base"] where stem.hasSuffix(ending) {
      stem.removeLast(ending.count)
    }
    // Llama-3-8B is llama3-8b, and Llama-3.1-8B another.
    for version in ["2", "3", "3.1", "3.2", "3.3"] {
      stem = stem.replacing("llama-\(version)-", with: "llama\(version)-")
    }
    stem = stem.replacing("mixtral-8x7b-v0.1", with: "mixtral-8x7b")
    guard var model = ModelCatalog.named(stem) else { return nil }
    if isFP8, model.weights == .bf16, model.experts?.weights == nil { model.store(as: .fp8) }
    return model
  }
}

/// All that a run is replayed with.
struct RunSubject: Sendable {
  var model: ModelSpec
  var hardware: HardwareSpec
  var shape: InstanceShape
  var release: EngineRelease
  var profile: EngineProfile

  /// Why a run has none.
  struct Missing: Error { var reason: String }

  /// `forced` is the profile of all runs, whatever their engine.
  init(_ run: MeasuredRun, forced: EngineProfile?) throws {
    guard let name = GPUName(run.gpu).profile, let hardware = HardwareCatalog.named(name) else {
      throw Missing(reason: "no hardware profile of measured kernels: \(run.gpu)")
    }
    guard var model = ModelName.preset(run.model) else { throw Missing(reason: "no preset: \(run.model)") }
    guard let release = EngineReleases.release(of: run.engine, version: run.version, date: run.date) else {
      throw Missing(reason: "no engine profile: \(run.engine)")
    }
    guard run.tp * run.pp <= 8 else { throw Missing(reason: "more GPUs than a node of 8 has") }
    if let weights = run.weights { model.take(weights) }
    if let bytes = run.kvBytesPerElement, model.weights == .fp8 { model.kvBytesPerElement = bytes }
    self.model = model
    self.hardware = hardware
    let expertRanks = model.experts == nil ? 1 : run.expertRanks
    guard expertRanks == 1 || expertRanks == run.tp else {
      throw Missing(reason: "experts are split between ranks and within them at once")
    }
    shape = InstanceShape(tp: run.tp, pp: run.pp, expertParallel: expertRanks > 1)
    self.release = release
    profile = (forced ?? release.profile(version: run.version)).serving(model)
    do { try shape.validate(for: model) } catch {
      throw Missing(reason: "\(model.name) cannot be cut into TP\(run.tp) × PP\(run.pp)")
    }
  }

  /// The engine's options, where the file says nothing of them.
  func options(_ run: MeasuredRun) -> EngineOptions {
    var options = EngineOptions()
    let limits = profile.limits.of(model, on: hardware)
    options.kind = profile.scheduler
    options.maxNumBatchedTokens = run.maxNumBatchedTokens ?? limits.tokens
    options.maxNumSeqs = run.maxNumSeqs ?? limits.sequences
    if options.kind == .chunked {
      options.maxNumSeqs = min(options.maxNumSeqs, options.maxNumBatchedTokens - 1)
    }
    return options
  }
}

extension ModelSpec {
  /// Stores the weights so. A checkpoint that has a format of its own keeps it where a file only says how many bits.
  fileprivate mutating func take(_ format: WeightFormat) {
    // 16 bits are what it computes in, not what its weights are.
    if format == .bf16, weights != .bf16 || experts?.weights != nil { return }
    if format == .fp8, weights == .fp8Block { return }
    if experts?.weights == .mxfp4, format == .fp8 || format == .mxfp4 { return }
    if format == .mxfp4, weights == .mxfp4 || experts?.weights != nil { return }
    store(as: format)
  }
}
