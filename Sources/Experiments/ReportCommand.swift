import Runs
import ArgumentParser
import Foundation
import Output
import Reporting
import Results
import Storage

/// `infinite-sim report`: a database in tables and figures.
struct ReportCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "report",
    abstract: "Write a database of runs as Markdown and as one page of HTML, with figures.",
    discussion: """
      Everything in the report is an expression over the database; docs/reports.md has the language of templates. \
      Figures need gnuplot and the page cmark-gfm (Debian: apt-get install gnuplot-nox cmark-gfm).
      """)

  @Option(help: "Database of run, compare or sweep.")
  var db: String
  @Option(help: "Markdown with expressions in {{ }}. (default: a built-in one)")
  var template: String?
  @Option(help: "Folder for report.md, report.html and figures/; made if it is not there.")
  var out: String?
  @Option(help: "Print one figure as SVG, such as 'kv-use where run == 3', and write nothing.")
  var figure: String?
  @Option(help: "The sweep to report, if the database has several.")
  var sweep: String?

  mutating func validate() throws {
    guard (out == nil) != (figure == nil) else {
      throw ValidationError("Give --out FOLDER for a report, or --figure 'KIND …' for one figure.")
    }
    guard figure == nil || template == nil else {
      throw ValidationError("--figure needs no --template.")
    }
  }

  func run() throws {
    let text = try template.map { path in
      guard let text = try? String(contentsOfFile: path, encoding: .utf8) else {
        throw CommandFailure(.missingInput, "--template \(path): cannot be read")
      }
      return (text: text, file: path)
    }
    let folder = try out.map { try OutputFolder($0, option: "--out") }
    if let folder {
      var files = FileRoles()
      files.addInput("--db", db)
      if let template { files.addInput("--template", template) }
      for name in Report.texts { files.addOutput("--out", folder.path(of: name)) }
      try files.requireDistinct()
    }
    let source = try ReportSource(ResultStore.openExisting(db), sweep: sweep)
    if let figure {
      try writeToStandardOutput(try source.figure(figure))
      return
    }
    guard let folder else { return }
    let report = try source.report(template: text)
    try report.write(to: folder)
    writeToStandardError(
      "note: \(folder.path)/report.md, report.html and \(report.figureCount) figures are written\n")
  }
}
