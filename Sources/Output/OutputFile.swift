import Foundation

/// Where an output goes. This is the one place that decides how a path is opened:
///
/// - `-` and the names of stdout in `/dev` are stdout.
/// - Symbolic links are followed, also to a file that is not there yet.
/// - A file, and a path where there is none, is written beside it and renamed: it appears whole or not at all, with the mode
///   of the old file.
/// - A file with several names, of another owner or group, in a folder where nothing can be made, or that is a mount point, is
///   written over where it is, when all of it is there and there is room for it.
/// - Devices and FIFOs are written to.
/// - Folders are refused, and files whose name says that they are compressed.
///
/// Nothing reaches any of them before all is written (`OutputWriter.publish`).
public struct OutputFile: Sendable {
  /// As it was given.
  public let path: String
  let destination: Destination

  enum Destination: Hashable, Sendable {
    /// What is written beside it takes its place, with the mode of the file that is there.
    case replaced(path: String, mode: mode_t?)
    /// The file stays and is written over.
    case rewritten(path: String, mode: mode_t)
    /// A device or a FIFO is written to.
    case opened
    /// stdout or stderr.
    case descriptor(Int32)
  }

  /// What stdout is called in messages.
  static let standardOutput = "stdout"

  /// In messages.
  var name: String { destination == .descriptor(STDOUT_FILENO) ? Self.standardOutput : path }

  /// Makes sure, before anything is computed, that the output can be made; changes nothing. `option` is what named the path.
  public init(_ path: String, option: String? = nil) throws(OutputError) {
    self.path = path
    let label = option.map { "\($0) \(path)" } ?? path
    if let descriptor = Self.descriptor(of: path) {
      destination = .descriptor(descriptor)
      return
    }
    guard !path.isEmpty else { throw OutputError(.usage, "\(label): the path is empty") }
    guard let target = Self.target(of: path) else { throw .system(label, code: ELOOP) }
    let folder = Self.folder(of: target)
    let found = FileStatus(path)
    let code = errno
    if found == nil || found?.kind == S_IFREG,
      let end = Self.compressed.first(where: {
        path.lowercased().hasSuffix($0) || target.lowercased().hasSuffix($0)
      })
    {
      throw OutputError(
        .usage,
        "\(label): what is written is plain text; expected a name without \(end), or - and a pipe to a compressor"
      )
    }
    guard let found else {
      guard code == ENOENT || code == ENOTDIR else { throw .system(label, code: code) }
      if let folder = Self.missingFolder(of: path) { throw .noFolder(folder, label) }
      guard access(folder, W_OK | X_OK) == 0 else { throw .folder(folder, label, code: errno) }
      destination = .replaced(path: target, mode: nil)
      return
    }
    if found.kind == S_IFDIR { throw OutputError(.usage, "\(label): is a folder") }
    guard access(path, W_OK) == 0 else { throw .system(label) }
    let canBeReplaced =
      found.kind == S_IFREG && found.names == 1 && found.isOurs && access(folder, W_OK | X_OK) == 0
      // A link of /proc may lead to a file that has no name any more.
      && FileStatus(target)?.identity == found.identity
    destination =
      canBeReplaced
      ? .replaced(path: target, mode: found.mode)
      : found.kind == S_IFREG ? .rewritten(path: target, mode: found.mode) : .opened
  }

  /// What names of compressed files end with.
  private static let compressed = [
    ".gz", ".tgz", ".zst", ".zstd", ".bz2", ".xz", ".zip", ".lz4", ".br", ".7z", ".z",
  ]

  /// The folder that is missing for a file to be made at `path`; `nil` if it is there.
  package static func missingFolder(of path: String) -> String? {
    let folder = folder(of: target(of: path) ?? path)
    return FileStatus(folder)?.kind == S_IFDIR ? nil : folder
  }

  /// Puts `text` there in one step.
  public func write(_ text: String) throws(OutputError) { try Self.write([(self, text)]) }

  /// Puts texts in their places: all or none.
  public static func write(_ texts: [(file: OutputFile, text: String)]) throws(OutputError) {
    var writers: [OutputWriter] = []
    for (file, text) in texts {
      let writer = try OutputWriter(file)
      writer.write(text)
      writers.append(writer)
    }
    try OutputWriter.publish(writers)
  }

  /// The same for two paths exactly if they lead to one file, by symbolic and by hard links as well, or both to stdout.
  ///
  /// - Returns: `nil` for a device, which any number of outputs may share: nothing in it can be destroyed.
  public static func identity(_ path: String) -> String? {
    if descriptor(of: path) == STDOUT_FILENO { return FileStatus(STDOUT_FILENO)?.fileIdentity ?? "stdout" }
    if let found = FileStatus(path) { return found.kind == S_IFCHR ? nil : found.identity }
    // Not there yet: its folder may be, under another name.
    let target = target(of: path) ?? path
    let name = target[(target.lastIndex(of: "/").map { target.index(after: $0) } ?? target.startIndex)...]
    return "\(FileStatus(folder(of: target))?.identity ?? folder(of: target))/\(name)"
  }

  /// Whether it is stdout.
  public static func isStandardOutput(_ path: String) -> Bool { descriptor(of: path) == STDOUT_FILENO }

  /// The descriptor that a path is another name of: of a file to which the shell has led stdout or stderr as well.
  private static func descriptor(of path: String) -> Int32? {
    if ["-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"].contains(path) { return STDOUT_FILENO }
    guard let found = FileStatus(path), found.kind != S_IFCHR else { return nil }
    return [STDOUT_FILENO, STDERR_FILENO].first { FileStatus($0)?.identity == found.identity }
  }

  /// What a path leads to, whether it is there or not; `nil` if its links lead nowhere.
  private static func target(of path: String) -> String? {
    var path = path
    for _ in 0..<40 {
      guard let link = try? FileManager.default.destinationOfSymbolicLink(atPath: path) else { return path }
      path = link.hasPrefix("/") ? link : "\(folder(of: path))/\(link)"
    }
    return nil
  }

  // Not NSString's deletingLastPathComponent: it traps on a name of one letter (Swift 6.3, Linux).
  static func folder(of path: String) -> String {
    path.lastIndex(of: "/").map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? "."
  }
}

/// What the system says of a file.
struct FileStatus {
  private let found: stat

  /// Follows symbolic links. `nil` leaves the reason in `errno`.
  init?(_ path: String) {
    var found = stat()
    guard stat(path, &found) == 0 else { return nil }
    self.found = found
  }

  init?(_ descriptor: Int32) {
    var found = stat()
    guard fstat(descriptor, &found) == 0 else { return nil }
    self.found = found
  }

  var kind: mode_t { found.st_mode & S_IFMT }
  var mode: mode_t { found.st_mode & 0o7777 }
  var names: Int { Int(found.st_nlink) }
  var isOurs: Bool { found.st_uid == geteuid() && found.st_gid == getegid() }
  var identity: String { "\(found.st_dev):\(found.st_ino)" }
  /// `nil` unless it is a file.
  var fileIdentity: String? { kind == S_IFREG ? identity : nil }
}
