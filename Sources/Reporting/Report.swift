import Formatting
import Foundation
import Output

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

  /// The names of its files that are no figures.
  public static let texts = ["report.md", "report.html"]

  /// The files: report.md, report.html, and an SVG and its rows as CSV for each figure.
  /// - Throws: `ReportError` if cmark-gfm is missing.
  public func files() throws -> [(name: String, text: String)] {
    var files = Array(zip(Self.texts, [fullMarkdown, try Page(self).html])) as [(name: String, text: String)]
    for figure in figures {
      files.append(("figures/\(figure.name).svg", standalone(figure.svg)))
      files.append(("figures/\(figure.name).csv", figure.rows.csv))
    }
    return files
  }

  /// Writes all files into `folder`; then figures of an earlier report are removed.
  public func write(to folder: OutputFolder) throws {
    let files = try files()
    try folder.write(files)
    let figures = folder.path(of: "figures")
    for name in (try? FileManager.default.contentsOfDirectory(atPath: figures)) ?? []
    where name.wholeMatch(of: /figure-\d+-[a-z-]+\.(svg|csv)/) != nil
      && !files.contains(where: { $0.name == "figures/\(name)" })
    {
      unlink("\(figures)/\(name)")
    }
    // If nothing is left in it.
    rmdir(figures)
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
