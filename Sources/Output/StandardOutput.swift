import Foundation

/// The process's stdout.
public enum StandardOutput {
  /// Writes to it at once.
  public static func write(_ text: String) throws(OutputError) {
    var text = text
    let result = text.withUTF8 { bytes in
      Result { () throws(OutputError) in
        try writeAll(bytes, to: STDOUT_FILENO, called: OutputFile.standardOutput)
      }
    }
    try result.get()
  }
}
