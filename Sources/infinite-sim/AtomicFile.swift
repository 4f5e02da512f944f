import Foundation

/// A file that appears whole or not at all.
struct AtomicFile {
  let path: String

  /// Makes sure, before anything is computed, that the file can be made; changes nothing.
  init(_ path: String, option: String) throws(CommandFailure) {
    self.path = path
    // Not NSString's deletingLastPathComponent: it traps on a name of one letter (Swift 6.3, Linux).
    let slash = path.lastIndex(of: "/")
    let parent = slash.map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? "."
    var isDirectory: ObjCBool = false
    guard FileManager.default.fileExists(atPath: parent, isDirectory: &isDirectory), isDirectory.boolValue
    else { throw CommandFailure(.usage, "\(option) \(path): there is no folder \(parent)") }
    guard FileManager.default.isWritableFile(atPath: parent) else {
      throw CommandFailure(.runFailed, "\(option) \(path): the folder \(parent) cannot be written")
    }
    if FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory), isDirectory.boolValue {
      throw CommandFailure(.usage, "\(option) \(path): is a folder")
    }
  }

  /// Puts `text` there in one step, in place of what was there.
  func write(_ text: String) throws(CommandFailure) {
    do {
      try Data(text.utf8).write(to: URL(fileURLWithPath: path), options: .atomic)
    } catch {
      throw CommandFailure(.runFailed, "\(path): cannot be written: \(error.localizedDescription)")
    }
  }
}
