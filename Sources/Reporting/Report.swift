import Formatting
import Foundation

/// A finished report: Markdown with marks for its tables and figures.
public struct Report {
  enum Block {
    case table(Table, caption: String?)
    case figure(Figure)
  }

  let markdown: String
  let blocks: [Block]
  /// The database's file name, for the commands under figures.
  let database: String

  public var figureCount: Int { figures.count }

  private var figures: [Figure] {
    blocks.compactMap { if case .figure(let figure) = $0 { figure } else { nil } }
  }

  /// The files: report.md, report.html, and an SVG and its rows as CSV for each figure.
  /// - Throws: `ReportError` if cmark-gfm is missing.
  public func files() throws -> [(name: String, text: String)] {
    var files = [("report.md", fullMarkdown), ("report.html", try Page(self).html)]
    for figure in figures {
      files.append(("figures/\(figure.name).svg", standalone(figure.svg)))
      files.append(("figures/\(figure.name).csv", figure.rows.csv))
    }
    return files
  }

  /// Writes all files into `folder`, which is made if it is not there; figures of an earlier report are removed.
  /// - Returns: the folder.
  public func write(to folder: String) throws -> String {
    let files = try files()
    let manager = FileManager.default
    do {
      try manager.createDirectory(atPath: "\(folder)/figures", withIntermediateDirectories: true)
      for name in try manager.contentsOfDirectory(atPath: "\(folder)/figures")
      where name.wholeMatch(of: /figure-\d+-[a-z-]+\.(svg|csv)/) != nil {
        try manager.removeItem(atPath: "\(folder)/figures/\(name)")
      }
      for (name, text) in files {
        try Data(text.utf8).write(to: URL(fileURLWithPath: "\(folder)/\(name)"), options: .atomic)
      }
      if figures.isEmpty { try manager.removeItem(atPath: "\(folder)/figures") }
    } catch {
      throw ReportError.unwritable(path: folder, reason: error.localizedDescription)
    }
    return folder
  }

  private func standalone(_ svg: String) -> String { "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n\(svg)" }

  /// The command that makes a figure alone.
  func command(_ figure: Figure) -> String {
    "infinite-sim report --db \(shellQuoted(database)) --figure \(shellQuoted(figure.specification))"
  }

  private func shellQuoted(_ text: String) -> String {
    let isPlain = text.wholeMatch(of: /[A-Za-z0-9_.\/-]+/) != nil
    return isPlain ? text : "'\(text.replacingOccurrences(of: "'", with: "'\\''"))'"
  }

  // MARK: - Markdown

  var fullMarkdown: String {
    var number = 0
    let text = BlockMark.replaced(in: markdown, isHTML: false) { index in
      switch blocks[index] {
      case .table(let table, let caption):
        return table.markdown + (caption.map { "\n\($0)\n" } ?? "")
      case .figure(let figure):
        number += 1
        let title = Markdown.escaped(figure.title)
        return """
          ![\(title)](figures/\(figure.name).svg)

          *Figure \(number).* \(title). \(Markdown.escaped(figure.caption)) \
          [Its \(grouped(figure.rows.rows.count - 1)) rows](figures/\(figure.name).csv); \
          made by \(Markdown.code(command(figure))).

          """
      }
    }
    return text.replacing(/\n{3,}/, with: "\n\n").trimmingCharacters(in: .newlines) + "\n"
  }
}
