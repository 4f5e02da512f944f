import Foundation
import Sim
import Testing

@Suite("KV capacity")
struct CostMemoryTests {
  private let a100 = HardwareCatalog.a100Measured

  private func capacity(_ model: ModelSpec, tp: Int = 1, pp: Int = 1) throws -> KVCapacity {
    try KVCapacity(model: model, hardware: a100, shape: InstanceShape(tp: tp, pp: pp))
  }

  @Test func `Llama-2-7B on one GPU has the 7,424 blocks of workload W1 within 2 %`() throws {
    let capacity = try capacity(ModelCatalog.llama7B)
    print(capacity.lines.joined(separator: "\n"))
    #expect(abs(Double(capacity.blocks) / 7_424 - 1) < 0.02, "\(capacity.blocks)")
  }

  @Test func `the account adds up`() throws {
    for model in ModelCatalog.all {
      for tp in InstanceShape.legalTP(model: model, maximum: 8) {
        for pp in [1, 2, 3, 4] {
          guard let c = try? capacity(model, tp: tp, pp: pp) else { continue }
          #expect(c.usable - c.weights - c.runtime - c.activations - c.communication == c.cache)
          #expect((c.blocks * c.bytesPerBlock...(c.blocks + 1) * c.bytesPerBlock).contains(c.cache))
          #expect((c.communication == 0) == (tp * pp == 1))
          #expect(c.lines.count == 7)
        }
      }
    }
  }

  @Test func `one GPU's weights are the whole model's`() throws {
    #expect(try capacity(ModelCatalog.llama7B).weights == ModelCatalog.llama7B.weightBytes)
  }

  @Test func `a model larger than its GPUs is refused with the account`() {
    let error = #expect(throws: ClusterError.self) { _ = try capacity(ModelCatalog.llama70B) }
    let text = error?.description ?? ""
    #expect(text.contains("llama2-70b does not fit with TP 1 × PP 1"), "\(text)")
    #expect(text.contains("weights of the fullest rank") && text.contains("128.48 GiB"), "\(text)")
  }

  @Test func `70B over 32 GPUs holds about 6.9M tokens as TP8 × PP4 and 1.73M as TP32`() throws {
    // semantics.md 13: TP beyond the 8 KV heads replicates them.
    #expect(abs(Double(try capacity(ModelCatalog.llama70B, tp: 8, pp: 4).tokens) / 6.9e6 - 1) < 0.05)
    #expect(abs(Double(try capacity(ModelCatalog.llama70B, tp: 32).tokens) / 1.73e6 - 1) < 0.05)
  }

  @Test func `settings out of range are refused`() {
    for settings in [
      KVMemorySettings(utilisation: 0), KVMemorySettings(utilisation: 1.01),
      KVMemorySettings(utilisation: .nan), KVMemorySettings(blockSize: 0),
      KVMemorySettings(maxBatchedTokens: -1), KVMemorySettings(maxSequences: .max),
    ] {
      #expect(throws: KVMemoryError.self) {
        _ = try KVCapacity(
          model: ModelCatalog.llama7B, hardware: a100, shape: InstanceShape(), settings: settings)
      }
    }
  }

  /// facebook/opt-13b `config.json`. Not tied: the slope of
  /// DistServe's figures over TP × PP shows weights with a separate head (24.4 GiB).
  private let opt13b = ModelSpec(
    name: "opt-13b", layers: 40, hidden: 5_120, queryHeads: 40, kvHeads: 40, headDim: 128,
    intermediate: 20_480, vocab: 50_272, maxPosition: 2_048, gatedFFN: false)

  /// Reported by DistServe for A100-80GB. Assumed: its engine ran with a utilisation of 0.95.
  @Test func `OPT-13B holds what DistServe measured within 5 % in every legal shape`() throws {
    guard let rows = try Self.distServeRows() else {
      print("skipped: data not found")
      return
    }
    var compared = 0
    for (tp, pp, measured) in rows {
      let shape = InstanceShape(tp: tp, pp: pp)
      guard (try? shape.validate(for: opt13b)) != nil else { continue }
      let settings = KVMemorySettings(utilisation: 0.95, maxBatchedTokens: 2_048)
      let capacity = try KVCapacity(model: opt13b, hardware: a100, shape: shape, settings: settings)
      let ratio = Double(capacity.tokens) / Double(measured)
      print("OPT-13B TP \(tp) PP \(pp): \(capacity.tokens) tokens, measured \(measured), ratio \(ratio)")
      #expect(abs(ratio - 1) < 0.05, "TP \(tp) PP \(pp)")
      compared += 1
    }
    #expect(compared == 25, "the file has 25 shapes of OPT-13B, all legal")
  }

  /// (TP, PP, tokens) of OPT-13B, or `nil` when the data folder is not there: INFINITE_SIM_DATA, or
  /// `shared/data` beside the package.
  private static func distServeRows() throws -> [(Int, Int, Int)]? {
    let package = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent()
    let folder =
      ProcessInfo.processInfo.environment["INFINITE_SIM_DATA"].map { URL(fileURLWithPath: $0) }
      ?? package.deletingLastPathComponent().appendingPathComponent("shared/data")
    let file = folder.appendingPathComponent("profiles/distserve_max_num_tokens.csv")
    guard FileManager.default.fileExists(atPath: file.path) else { return nil }
    var rows: [(Int, Int, Int)] = []
    for line in try String(contentsOf: file, encoding: .utf8).split(whereSeparator: \.isNewline) {
      let fields = line.split(separator: ",")
      guard fields.count == 4, fields[0] == "facebook/opt-13b" else { continue }
      let numbers = fields.dropFirst().compactMap { Int($0) }
      try #require(numbers.count == 3, "malformed row: \(line)")
      rows.append((numbers[0], numbers[1], numbers[2]))
    }
    return rows
  }
}
