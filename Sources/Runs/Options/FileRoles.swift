import Foundation
import Output
import Workloads

/// The files that the options of a command name: none that is written may be another one. `-` is stdout.
package struct FileRoles {
  private var inputs: [(option: String, path: String)] = []
  private var outputs: [(option: String, path: String)] = []
  private var databases: [(option: String, path: String)] = []

  package init() {}

  package init(_ options: RunOptions, _ execution: ExecutionOptions) {
    addInputs(of: options)
    addDatabase("--db", execution.db)
  }

  /// Adds the files that a run reads.
  package mutating func addInputs(of options: RunOptions) {
    addTrace("--trace", options.source)
    if Machine.isPath(model: options.model) {
      inputs += [options.model, options.model + "/config.json"].map { ("--model", $0) }
    }
    if Machine.isPath(hardware: options.hardware) { inputs.append(("--hardware", options.hardware)) }
    if let faults = options.faults { inputs.append(("--faults", faults)) }
  }

  /// Adds what is read for a trace: a file, a folder or a generator.
  package mutating func addTrace(_ option: String, _ path: String) {
    if GeneratedTrace.isFile(path) { return addGenerator(option, path) }
    if GeneratedTrace.isRecipe(path) { return }
    let names = (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []
    inputs += ([path] + names.map { "\(path)/\($0)" }).map { (option, $0) }
  }

  /// Adds a generator with the traces that it takes lengths from.
  package mutating func addGenerator(_ option: String, _ path: String) {
    inputs += ([path] + GeneratorYAML.inputs(path: path)).map { (option, $0) }
  }

  /// Adds a file that is read.
  package mutating func addInput(_ option: String, _ path: String) { inputs.append((option, path)) }

  /// Adds a file that is written, if the option is given.
  package mutating func addOutput(_ option: String, _ path: String?) {
    if let path { outputs.append((option, path)) }
  }

  /// Adds a database that is written, if the option is given.
  package mutating func addDatabase(_ option: String, _ path: String?) {
    guard let path else { return }
    databases.append((option, path))
    // What SQLite keeps beside it is it as well (sqlite.org/tempfiles.html, 2).
    outputs += ["", "-wal", "-shm", "-journal"].map { (option, path + $0) }
  }

  /// Throws if writing one of the outputs would destroy an input or another output.
  package func requireDistinct() throws(CommandFailure) {
    for database in databases where database.path == "-" {
      throw CommandFailure(
        .usage, "\(database.option) -: a database does not go to stdout; give the path of a file")
    }
    for (option, path) in databases {
      guard let folder = OutputFile.missingFolder(of: path) else { continue }
      throw CommandFailure(.usage, "\(option) \(path): there is no folder \(folder)")
    }
    for (index, output) in outputs.enumerated() {
      guard let identity = OutputFile.identity(output.path) else { continue }
      for other in inputs + outputs[..<index] where OutputFile.identity(other.path) == identity {
        throw CommandFailure(
          .usage, "\(output.option) \(output.path) is the file of \(other.option) \(other.path)")
      }
    }
  }

  /// Writes the outputs of a command and prints what it says in the end. If that cannot be printed, no file appears.
  package func finish(_ writeOutputs: () throws -> String) throws {
    try OutputWriter.together { try writeSummary(try writeOutputs()) }
  }

  /// Prints what a command says in the end: on stdout, unless that is one of its outputs; then on stderr.
  private func writeSummary(_ text: String) throws(OutputError) {
    if outputs.contains(where: { OutputFile.isStandardOutput($0.path) }) {
      writeToStandardError(text)
    } else {
      try writeToStandardOutput(text)
    }
  }
}
