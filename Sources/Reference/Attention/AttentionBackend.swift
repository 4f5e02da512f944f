/// Something that computes partial attention: a processor's vector units, a GPU.
public protocol AttentionBackend: Sendable {
  /// A short name: "cpu", "cuda".
  var name: String { get }

  /// What it runs on, or why it cannot run here.
  var availability: BackendAvailability { get }

  /// The formats that it takes.
  var elements: [ElementType] { get }

  /// Why it does not take this call (a head size, a layout, a mask), or nil if it does.
  func refusal(_ query: AttentionQuery, over part: KVPart) -> String?

  /// The state of `query` over `part`; the identity over an empty one. Throws if the device fails.
  func partial(_ query: AttentionQuery, over part: KVPart) throws -> AttentionState<Float>

  /// The states merged in the order given, by the backend's own merge. At least one.
  func merge(_ states: [AttentionState<Float>]) throws -> AttentionState<Float>

  /// Seconds of each of `runs` calls of `partial`, one per part in turn, by the device's clock (events on a GPU),
  /// transfers to the device not counted. Parts are visited in rotation.
  func seconds(_ query: AttentionQuery, over parts: [KVPart], runs: Int) throws -> [Double]

  /// The rate at which the device reads its memory, bytes/s, measured now: the best of `runs` passes.
  func readBandwidth(runs: Int) throws -> Double
}

/// Whether a backend can run here.
public enum BackendAvailability: Hashable, Sendable {
  /// It can; on what ("AVX-512 with bf16, 2 threads").
  case available(String)
  /// It cannot; exactly what is missing.
  case unavailable(String)
}
