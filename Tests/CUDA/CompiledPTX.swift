import Foundation
import Testing

/// What `scripts/cuda compile` made of the CUDA sources in `.build/cuda`; tests that need it are skipped without.
enum CompiledPTX {
  static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().appendingPathComponent(".build/cuda")

  /// One folder for each compiler and architecture: "nvrtc-12.9-sm_90".
  static let compilers = names(in: "ptx").filter { !$0.hasPrefix(".") }

  /// The planted bugs; "none" is the source as it is.
  static let mutants = names(in: "mutants").map { String($0.dropLast(".ptx".count)) }

  static func text(_ path: String) throws -> String {
    try String(contentsOf: folder.appendingPathComponent(path), encoding: .utf8)
  }

  private static func names(in subfolder: String) -> [String] {
    let path = folder.appendingPathComponent(subfolder).path
    return ((try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []).sorted()
  }
}

/// Skips, visibly, what needs compilers.
let needsCompilers = ConditionTrait.enabled(
  if: !CompiledPTX.compilers.isEmpty, "no PTX: scripts/cuda install, compile")
