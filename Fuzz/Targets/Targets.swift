import Calibration
import Foundation
import Results
import Storage
import Studies
import Workloads

/// What an execution showed.
public enum Reach: Sendable {
  /// Refused before any content was looked at: no header of a trace, no YAML, no JSON.
  case header
  /// Content was read, and refused or not.
  case content
}

/// A parser and how far an input gets in it: for the fuzzer (`Fuzz/run`), and for the tests that read its seeds again.
public struct Target: Sendable {
  public var name: String
  /// Lines from which the mutator keeps off most of the time.
  public var headerLines: Int
  public var words: [String]
  public var isJSON = false
  /// Reads an input; throws only what no parser may throw. One thread at a time.
  public var read: @Sendable (UnsafeRawBufferPointer) throws -> Reach

  public static let all = [
    trace, columns, pool, study, faults, hardware, generator, config, json, database,
    // A new parser is entered here: for one of YAML see `generator`.
  ]
  public static func named(_ name: String) -> Target? { all.first { $0.name == name } }
}

/// A file in memory, written over by every execution.
final class ScratchFile: Sendable {
  let path: String
  private let descriptor: Int32

  /// `Fuzz/run` names a folder and removes it, as libFuzzer may end without a word; else one is made, and removed at exit.
  private static let folder: String = {
    if let folder = ProcessInfo.processInfo.environment["FUZZ_SCRATCH"] { return folder }
    atexit { try? FileManager.default.removeItem(atPath: "/dev/shm/infinite-sim-fuzz-\(getpid())") }
    return "/dev/shm/infinite-sim-fuzz-\(getpid())"
  }()

  init(_ name: String) {
    path = "\(Self.folder)/\(name)"
    let folder = (path as NSString).deletingLastPathComponent
    try? FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    descriptor = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
    precondition(descriptor >= 0, "\(path) can be made")
  }

  /// Removes what SQLite and a migration leave beside it.
  func removeCompanions() {
    for suffix in ["-wal", "-shm", "-journal"] { unlink(path + suffix) }
    for version in 1..<ResultStore.schemaVersion { unlink("\(path).backup-v\(version)") }
  }

  func write(_ bytes: UnsafeRawBufferPointer) {
    precondition(bytes.isEmpty || pwrite(descriptor, bytes.baseAddress, bytes.count, 0) == bytes.count)
    precondition(ftruncate(descriptor, off_t(bytes.count)) == 0)
  }
}

extension Target {
  private static func text(_ bytes: UnsafeRawBufferPointer) -> String {
    String(decoding: bytes, as: UTF8.self)
  }

  private static let trace: Target = {
    let file = ScratchFile("trace")
    var (lenient, sorted) = (TraceOptions.unchanged, TraceOptions.unchanged)
    lenient.isLenient = true
    lenient.maximumSkippedShare = 1
    lenient.keepsDetails = true
    sorted.sorts = true
    sorted.jitter = 1_000_000_000_000
    let variants = [.unchanged, lenient, sorted]
    return Target(
      name: "trace", headerLines: 1,
      words: [
        "arrival_s", "input_tokens", "output_tokens", "session", "turn", "think_s", "class", "hash_ids",
        "block_tokens",
        "TIMESTAMP", "timestamp", "input_length", "output_length", "2023-11-16 18:15:46.6805900",
        "2024-05-10 00:00:00.009930+00:00", "chat_id", "parent_chat_id", "null", "true", "\\u00e9",
      ]
    ) { bytes in
      // Readers of compressed files among them; the options by the length, so that each input has one outcome.
      file.write(bytes)
      return read(file, variants[bytes.count % variants.count])
    }
  }()

  private static func read(_ file: ScratchFile, _ options: TraceOptions) -> Reach {
    do throws(TraceError) {
      let trace = try TraceFile.open(path: file.path, options: options)
      _ = try trace.allRecords()
      return .content
    } catch {
      _ = error.description
      switch error {
      // A unit is judged when all rows have been read.
      case .malformed(_, let line, _, _, let expected):
        return line > 1 || expected.contains("--accept-times") ? .content : .header
      case .tooManySkipped, .invalidOption: return .content
      case .missing, .notAFile, .unreadable, .changed: return .header
      }
    }
  }

  /// Traces again: columns that are not read or are ignored, and units of time.
  private static let columns: Target = {
    let file = ScratchFile("columns")
    let variants = TimeUnit.allCases.map { unit in
      var options = TraceOptions.unchanged
      options.timeUnit = unit
      options.acceptsTimes = unit == .us
      options.sorts = unit == .ns
      options.ignoredColumns = unit == .ms ? ["foo", "session"] : []
      options.keepsDetails = true
      return options
    }
    return Target(
      name: "columns", headerLines: 1,
      words: [
        "arrival_s", "input_tokens", "output_tokens", "session", "foo", "timestamp", "created_at", "t_s",
        "session_id",
        "delay", "\\u0074", "null", "1700000000000", "1700000000000000000", "1e8", "99999999.999", "1e-9",
        "model",
      ]
    ) { bytes in
      file.write(bytes)
      return read(file, variants[bytes.count % variants.count])
    }
  }()

  /// A client of ServeGen: the lines of its trace, and from a line that begins with { on its dataset.
  private static let pool: Target = {
    let trace = ScratchFile("pool/chunk-7-trace.csv")
    let dataset = ScratchFile("pool/chunk-7-dataset.json")
    var options = TraceOptions.unchanged
    // A pool may ask for 20 million requests, and is no hang then.
    options.poolLimit = 10_000
    let settings = options
    return Target(
      name: "pool", headerLines: 0,
      words: [
        "Gamma", "Weibull", "input_tokens", "output_tokens", "{}", "{143: 0.25, 148: 0.75}", "600", "8640000",
      ]
    ) { bytes in
      let cut =
        bytes.indices.first { bytes[$0] == 0x7B && ($0 == 0 || bytes[$0 - 1] == 10) } ?? bytes.count
      trace.write(UnsafeRawBufferPointer(rebasing: bytes[..<cut]))
      dataset.write(UnsafeRawBufferPointer(rebasing: bytes[cut...]))
      do {
        _ = try TraceFile.open(path: trace.path, options: settings).allRecords()
        return .content
      } catch let error as TraceError {
        _ = error.description
        if case .malformed(let path, 1, _, _, _) = error { return path == trace.path ? .header : .content }
        return .content
      }
    }
  }()

  private static let study = Target(
    name: "study", headerLines: 1,
    words: [
      "study", "question", "baseline", "seeds", "rows", "on-reject", "options", "axes", "contenders",
      "expect", "grids",
      "grid", "label", "policy", "vllm-m", "ratio(", "value(", "low(", "share(", "where", "and", "in", "==",
      ">=", "mean(",
      "all", "common", "[1, 2]", "{a: 1}", "&a", "*a", "- ", "|", "!!binary", "~", ".inf",
    ]
  ) { bytes in
    do {
      let study = try StudyYAML.parse(text(bytes), path: "s.yaml")
      _ = StudyResults(study: study).checkAll().map(\.finding)
      _ = study.points.count
      return .content
    } catch let error as StudyError {
      _ = error.description
      return error.expected == "YAML" || error.expected == "a study" ? .header : .content
    }
  }

  private static let faults = Target(
    name: "faults", headerLines: 0,
    words: [
      "seed", "faults", "random", "crash", "node-loss", "link-loss", "link-slowdown", "manager-crash",
      "straggler", "memory-shrink", "at-s", "for-s", "to", "one-way", "factor", "blocks", "mean-between-s",
      "mean-repair-s", "last-s", "all", "true", ".inf", ".nan", "-1", "1e400", "9223372036854775807", "[]",
      "{}", "- ", "~",
    ]
  ) { bytes in
    do {
      _ = try FaultYAML.parse(text(bytes), path: "f.yaml", instances: 8, nodes: 2)
      return .content
    } catch let error as StudyError {
      _ = error.description
      return error.expected == "YAML" || error.expected == "a fault plan" ? .header : .content
    }
  }

  private static let hardware = Target(
    name: "hardware", headerLines: 0,
    words: [
      "name", "unvalidated", "none", ".inf", ".nan", "-1", "1e400", "custom_all_reduce", "[]", "{}", "- ",
      "~",
    ]
  ) { bytes in
    do {
      let file = try HardwareFile(yaml: text(bytes), file: "h.yaml")
      _ = try HardwareFile(yaml: file.yaml, file: "again.yaml")
      return .content
    } catch let error as HardwareFileError {
      _ = error.description
      if case .syntax = error.problem { return .header }
      return .content
    }
  }

  private static let generator: Target = {
    let file = ScratchFile("generator.yaml")
    return Target(
      name: "generator", headerLines: 0,
      words: [
        "requests", "duration_s", "seed", "arrivals", "rate", "process", "poisson", "gamma", "cv", "prompt",
        "output",
        "kind", "uniform", "lognormal", "fixed", "mixture", "min", "max", "mean", "classes", "closed-loop",
        "users",
        "think_s", "sessions", "turns", "prefix", "weight", "share", "- ", "{}", "[]", "1e9", "0",
      ]
    ) { bytes in
      file.write(bytes)
      do {
        _ = try GeneratorYAML.read(path: file.path)
        return .content
      } catch let error as TraceError {
        _ = error.description
        if case .malformed(_, _, _, _, let expected) = error {
          return expected == "YAML" ? .header : .content
        }
        return .header
      }
    }
  }()

  private static let config = Target(
    name: "config", headerLines: 0,
    words: [
      "model_type", "llama", "opt", "mixtral", "deepseek_v3", "qwen3_moe", "hidden_size", "intermediate_size",
      "num_attention_heads", "num_key_value_heads", "num_hidden_layers", "vocab_size", "head_dim",
      "sliding_window",
      "quantization_config", "torch_dtype", "float16", "n_routed_experts", "kv_lora_rank", "bfloat16",
      "rope_scaling", "rope_type", "yarn", "linear", "factor",
    ], isJSON: true
  ) { bytes in
    do {
      _ = try ModelConfigFile(json: Data(bytes), file: "config.json", name: "fuzzed")
      return .content
    } catch let error as ModelConfigError {
      _ = error.description
      switch error {
      case .notAnObject, .malformed: return .header
      default: return .content
      }
    } catch { return .content }
  }

  /// The texts of a database: what a run's summary, a point's axes and a list of ids are read from.
  private static let json = Target(
    name: "json", headerLines: 0, words: ["\\ud800", "\\n", "ttft_s", "p50", "load", "stable"], isJSON: true
  ) { bytes in
    guard let value = try? JSON(parsing: text(bytes)) else { return .header }
    _ = try? RunResult(value)
    _ = value.canonical.text
    return .content
  }

  /// A database of this or another version, or of another program, or none.
  private static let database: Target = {
    let file = ScratchFile("database.db")
    return Target(name: "database", headerLines: 0, words: ["run", "sweep", "kept", "all", "completed"]) {
      bytes in
      file.removeCompanions()
      file.write(bytes)
      do {
        let store = try ResultStore.openExisting(file.path)
        for run in try store.runs() { _ = try store.requests(run: run.id).count }
        for sweep in try store.sweeps() { _ = try StudyResults(sweep, in: store).checkAll() }
        _ = try Shards([file.path])
        return .content
      } catch let error as StoreError where error.description.isEmpty {
        fatalError("an error without words")
      } catch StoreError.notADatabase, StoreError.foreignDatabase, StoreError.missing {
        return .header
      } catch { return .content }
    }
  }()
}
