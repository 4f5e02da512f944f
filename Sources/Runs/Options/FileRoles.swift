import Foundation
import Workloads

/// The files that the options name: none that is written may be another one.
package struct FileRoles {
  private var inputs: [(option: String, path: String)] = []
  private var outputs: [(option: String, path: String)] = []

  package init() {}

  package init(_ options: RunOptions) {
    addInputs(of: options)
    addOutput("--db", options.db)
  }

  /// Adds the files that a run reads.
  package mutating func addInputs(of options: RunOptions) {
    if !GeneratedTrace.isRecipe(options.trace) || GeneratedTrace.isFile(options.trace) {
      inputs.append(("--trace", options.trace))
    }
    if Machine.isPath(model: options.model) { inputs.append(("--model", options.model)) }
    if Machine.isPath(hardware: options.hardware) { inputs.append(("--hardware", options.hardware)) }
    if let faults = options.faults { inputs.append(("--faults", faults)) }
  }

  /// Adds a file that is read.
  package mutating func addInput(_ option: String, _ path: String) { inputs.append((option, path)) }

  /// Adds a file that is written, if the option is given.
  package mutating func addOutput(_ option: String, _ path: String?) {
    if let path { outputs.append((option, path)) }
  }

  /// Throws if writing one of the outputs would destroy an input or another output.
  package func requireDistinct() throws(CommandFailure) {
    for (index, output) in outputs.enumerated() {
      let identity = Self.identity(output.path)
      for other in inputs + outputs[..<index] where Self.identity(other.path) == identity {
        throw CommandFailure(
          .usage, "\(output.option) \(output.path) is the file of \(other.option) \(other.path)")
      }
    }
  }

  /// The same for two paths exactly if they are one file, by symbolic and by hard links as well.
  private static func identity(_ path: String) -> String {
    let resolved = URL(fileURLWithPath: path).resolvingSymlinksInPath()
    if let found = try? FileManager.default.attributesOfItem(atPath: resolved.path),
      let volume = found[.systemNumber] as? Int, let file = found[.systemFileNumber] as? Int
    {
      return "\(volume):\(file)"
    }
    // Not there yet: its folder may be, under another name.
    let folder = resolved.deletingLastPathComponent().resolvingSymlinksInPath()
    return folder.appendingPathComponent(resolved.lastPathComponent).path
  }
}
