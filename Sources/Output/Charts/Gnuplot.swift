import Foundation

/// Runs gnuplot. Nothing from a database reaches it but numbers: names go through `Labels`.
package struct Gnuplot {
  private let path: String

  /// - Throws: `GnuplotError.missing` if it is not installed.
  package init() throws {
    guard let path = findProgram("gnuplot") else { throw GnuplotError.missing }
    self.path = path
  }

  /// The SVG that `script` draws; `figure` names it in errors, `alt` says in words what it shows.
  package func draw(
    _ script: String, labels: Labels, figure: String, alt: String, size: (width: Int, height: Int)
  ) throws -> String {
    let preamble = """
      set terminal svg size \(size.width),\(size.height) noenhanced font "sans-serif,13" background "#ffffff"
      set encoding utf8
      set datafile missing "?"
      set border 3 linecolor rgb "#666666"
      set tics nomirror out textcolor rgb "#333333"
      set grid linecolor rgb "#e3e3e3" linewidth 1

      """
    // -d: no start-up files of the user's.
    let result = try runProgram(path, ["-d", "-"], input: preamble + script)
    guard result.status == 0, result.output.contains("</svg>") else {
      throw GnuplotError.failed(
        figure: figure, reason: result.errors.split(separator: "\n").joined(separator: "; "))
    }
    return tidy(labels.restored(in: result.output), alt: alt)
  }

  /// Without the XML header and the program's own title; described, and crisp where it is an image.
  private func tidy(_ svg: String, alt: String) -> String {
    var svg = svg
    if let start = svg.range(of: "<svg") { svg.removeSubrange(..<start.lowerBound) }
    for tag in ["title", "desc"] {
      if let open = svg.range(of: "<\(tag)>"), let close = svg.range(of: "</\(tag)>") {
        svg.replaceSubrange(
          open.lowerBound..<close.upperBound, with: tag == "title" ? "<title>\(escapedXML(alt))</title>" : "")
      }
    }
    return
      svg
      .replacingOccurrences(of: "<image ", with: "<image style='image-rendering:pixelated' ")
      .trimmingCharacters(in: .whitespacesAndNewlines) + "\n"
  }
}

/// Why nothing was drawn.
package enum GnuplotError: Error, Hashable, CustomStringConvertible {
  case missing
  case failed(figure: String, reason: String)

  package var description: String {
    switch self {
    case .missing:
      "gnuplot is not installed, and figures are drawn by it. On Debian and Ubuntu: apt-get install gnuplot-nox"
    case .failed(let figure, let reason): "gnuplot failed on the figure \(figure): \(reason)"
    }
  }
}

/// Stands in for texts while gnuplot draws: it sees a number padded to the text's length, never the text.
package final class Labels {
  private var texts: [String] = []

  package init() {}

  /// A gnuplot string that will read `text` in the drawing.
  package func quoted(_ text: String) -> String { "\"\(token(text))\"" }

  /// The stand-in, as it may be in a data file.
  package func token(_ text: String) -> String {
    texts.append(text)
    let number = "@\(texts.count - 1)@"
    return number + String(repeating: "x", count: max(0, text.count - number.count))
  }

  /// The drawing with the texts in their places, escaped.
  func restored(in svg: String) -> String {
    svg.replacing(/@(\d+)@x*/) { match in
      Int(match.1).flatMap { texts.indices.contains($0) ? escapedXML(texts[$0]) : nil } ?? ""
    }
  }
}

/// Text as it may be in HTML and XML, in elements and in attributes.
package func escapedXML(_ text: String) -> String {
  var out = ""
  for scalar in text.unicodeScalars {
    switch scalar {
    case "&": out += "&amp;"
    case "<": out += "&lt;"
    case ">": out += "&gt;"
    case "\"": out += "&quot;"
    case "'": out += "&#39;"
    // Control characters are not allowed in XML.
    case _ where scalar.value < 0x20 && scalar != "\n" && scalar != "\t": out += " "
    default: out.unicodeScalars.append(scalar)
    }
  }
  return out
}

// MARK: - Programs

/// The path of a program in PATH.
package func findProgram(_ name: String) -> String? {
  (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":")
    .map { "\($0)/\(name)" }
    .first { FileManager.default.isExecutableFile(atPath: $0) }
}

/// Runs a program with `input` at its stdin, and waits for its end.
package func runProgram(_ path: String, _ arguments: [String], input: String) throws
  -> (status: Int32, output: String, errors: String)
{
  // Files, not pipes: nobody need read while it runs.
  let folder = FileManager.default.temporaryDirectory
    .appendingPathComponent("infinite-sim-\(UUID().uuidString)")
  Leftovers.add(folder.path)
  defer { Leftovers.remove(folder.path) }
  try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: false)
  let files = ["in", "out", "err"].map { folder.appendingPathComponent($0) }
  for file in files { try Data().write(to: file) }
  try Data(input.utf8).write(to: files[0])
  let process = Process()
  process.executableURL = URL(fileURLWithPath: path)
  process.arguments = arguments
  var environment = ProcessInfo.processInfo.environment
  environment["LC_ALL"] = "C.UTF-8"
  process.environment = environment
  process.standardInput = try FileHandle(forReadingFrom: files[0])
  process.standardOutput = try FileHandle(forWritingTo: files[1])
  process.standardError = try FileHandle(forWritingTo: files[2])
  try Leftovers.start(process)
  process.waitUntilExit()
  Leftovers.ended(process)
  return (
    process.terminationStatus, try String(contentsOf: files[1], encoding: .utf8),
    try String(contentsOf: files[2], encoding: .utf8)
  )
}
