import Foundation

/// A folder for several outputs, which appear there together or not at all.
public struct OutputFolder: Sendable {
  public let path: String

  /// Makes sure, before anything is computed, that the folder is there or can be made; changes nothing.
  public init(_ path: String, option: String) throws(OutputError) {
    self.path = path
    guard !path.isEmpty else { throw OutputError(.usage, "\(option): the path is empty") }
    guard path != "-" else {
      throw OutputError(.usage, "\(option) \(path): several files do not go to stdout; give a folder")
    }
    let there = Self.missing(path).first.map { OutputFile.folder(of: $0) } ?? path
    guard FileStatus(there)?.kind == S_IFDIR else {
      throw OutputError(.usage, "\(option) \(path): \(there) is not a folder")
    }
    guard access(there, W_OK | X_OK) == 0 else { throw .folder(there, "\(option) \(path)", code: errno) }
  }

  /// The path of a file in it.
  public func path(of name: String) -> String { "\(path)/\(name)" }

  /// Writes the files; those in folders of their own, such as `figures/a.svg`, have them made.
  public func write(_ files: [(name: String, text: String)]) throws(OutputError) {
    let folders = Set(files.map { OutputFile.folder(of: path(of: $0.name)) }).sorted()
    // From the outermost to the innermost.
    var made: [String] = []
    do throws(OutputError) {
      for folder in folders {
        for missing in Self.missing(folder) {
          guard mkdir(missing, 0o777) == 0 || errno == EEXIST else { throw .system(missing) }
          made.append(missing)
        }
      }
      var texts: [(file: OutputFile, text: String)] = []
      for (name, text) in files { texts.append((try OutputFile(path(of: name)), text)) }
      try OutputFile.write(texts)
      OutputWriter.made(made)
    } catch {
      for folder in made.reversed() { rmdir(folder) }
      throw error
    }
  }

  /// The folders on the way to `path` that are not there, from the outermost on.
  private static func missing(_ path: String) -> [String] {
    var missing: [String] = []
    var rest = path
    while FileStatus(rest) == nil, errno == ENOENT, rest != ".", rest != "/" {
      missing.insert(rest, at: 0)
      rest = OutputFile.folder(of: rest)
    }
    return missing
  }
}
