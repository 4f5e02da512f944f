import Formatting
import Foundation
import Output

/// A report as one page of HTML that needs nothing else: figures, rows, style and script are in it.
struct Page {
  private let report: Report

  init(_ report: Report) { self.report = report }

  /// The most rows of a figure that the page holds; the CSV file has all.
  private static let mostRows = 400

  var html: String {
    get throws {
      var body = try Markdown.html(report.markdown)
      var number = 0
      body = BlockMark.replaced(in: body, isHTML: true) { index in
        switch report.blocks[index] {
        case .table(let table, let caption): return htmlTable(table, caption: caption)
        case .figure(let figure):
          number += 1
          return htmlFigure(figure, number: number)
        }
      }
      let (text, contents, title) = withAnchors(body)
      return """
        <!DOCTYPE html>
        <html lang="en">
        <head>
        <meta charset="utf-8">
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <link rel="icon" href="data:,">
        <title>\(title)</title>
        <style>
        \(PageStyle.css)
        </style>
        </head>
        <body>
        <nav aria-label="Contents">
        \(contents)</nav>
        <main>
        \(text)</main>
        <script>
        \(PageStyle.script)
        </script>
        </body>
        </html>

        """
    }
  }

  // MARK: - Headings

  /// Gives headings anchors, and lists those of the second and third level.
  private func withAnchors(_ body: String) -> (body: String, contents: String, title: String) {
    var used: [String: Int] = [:]
    var contents = ""
    var title = "Report"
    let text = body.replacing(/<h([1-3])>(.*?)<\/h[1-3]>/.dotMatchesNewlines()) { match in
      let words = match.2.replacing(/<[^>]*>/, with: "")
      if match.1 == "1" {
        title = String(words)
        return "<h1>\(match.2)</h1>"
      }
      var slug = words.lowercased().replacing(/&[a-z]+;/, with: "").replacing(/[^a-z0-9]+/, with: "-")
        .trimmingCharacters(in: CharacterSet(charactersIn: "-"))
      if slug.isEmpty { slug = "section" }
      used[slug, default: 0] += 1
      if let count = used[slug], count > 1 { slug += "-\(count)" }
      contents += "<a class=\"level\(match.1)\" href=\"#s-\(slug)\">\(words)</a>\n"
      return "<h\(match.1) id=\"s-\(slug)\">\(match.2)</h\(match.1)>"
    }
    return (text, contents, title)
  }

  // MARK: - Blocks

  private func htmlTable(_ table: Table, caption: String? = nil, most: Int? = nil) -> String {
    guard let heading = table.rows.first else { return "" }
    func cell(_ text: String, _ column: Int, tag: String) -> String {
      let style = table.textColumns.contains(column) ? "" : " class=\"n\""
      return "<\(tag)\(tag == "th" ? " scope=\"col\"" : "")\(style)>\(escapedXML(text))</\(tag)>"
    }
    func row(_ cells: [String], tag: String) -> String {
      "<tr>\(cells.enumerated().map { cell($1, $0, tag: tag) }.joined())</tr>\n"
    }
    let rows = table.rows.dropFirst().prefix(most ?? .max)
    let note = caption.map { text in
      // Captions are ours but for the names in them, which are escaped for Markdown.
      "<p class=\"caption\">\(escapedXML(text.replacing(/\\([^\sA-Za-z0-9])/) { String($0.1) }))</p>\n"
    }
    return """
      <div class="scroll"><table class="sortable">
      <thead>\(row(heading, tag: "th"))</thead>
      <tbody>
      \(rows.map { row($0, tag: "td") }.joined())</tbody>
      </table></div>
      \(note ?? "")
      """
  }

  private func htmlFigure(_ figure: Figure, number: Int) -> String {
    let count = figure.rows.rows.count - 1
    let shown = min(count, Self.mostRows)
    let rows = shown < count ? "first \(grouped(shown)) of \(grouped(count)) rows" : "\(grouped(count)) rows"
    return """
      <figure id="\(figure.name)">
      <div class="plot">\(figure.svg)</div>
      <figcaption><strong>Figure \(number).</strong> \(escapedXML(figure.title)). \(escapedXML(figure.caption))
      <code class="command">\(escapedXML(report.command(figure)))</code></figcaption>
      <details id="\(figure.name)-rows"><summary><a href="#\(figure.name)-rows">Its \(rows)</a>, and their SQL</summary>
      <pre><code>\(escapedXML(figure.sql))</code></pre>
      \(htmlTable(figure.rows, most: Self.mostRows))</details>
      </figure>

      """
  }
}

enum PageStyle {
  static let css = """
    :root { color-scheme: light; --ink: #1f2328; --soft: #59636e; --line: #d8dee4; --band: #f6f8fa; --link: #0550ae; }
    * { box-sizing: border-box; }
    html { scroll-padding-top: 1rem; }
    body { margin: 0; color: var(--ink); background: #fff; font: 16px/1.55 system-ui, -apple-system, "Segoe UI",
      Roboto, "Helvetica Neue", "Noto Sans", "DejaVu Sans", sans-serif; display: grid;
      grid-template-columns: minmax(0, 12rem) minmax(0, 60rem); gap: 2rem; justify-content: center;
      padding: 0 1.5rem; }
    nav { position: sticky; top: 0; align-self: start; max-height: 100vh; overflow-y: auto; padding: 2.2rem 0;
      font-size: 0.86rem; line-height: 1.35; }
    nav a { display: block; padding: 0.22rem 0; color: var(--soft); text-decoration: none; }
    nav a:hover { color: var(--link); text-decoration: underline; }
    nav a.level3 { padding-left: 0.9rem; }
    nav::before { content: "Contents"; font-weight: 600; }
    main { padding: 1.6rem 0 4rem; overflow-wrap: break-word; }
    h1 { font-size: 1.9rem; line-height: 1.2; margin: 0.4rem 0 1rem; }
    h2 { font-size: 1.35rem; margin: 2.4rem 0 0.6rem; padding-bottom: 0.25rem; border-bottom: 1px solid var(--line); }
    h3 { font-size: 1.08rem; margin: 1.8rem 0 0.4rem; }
    a { color: var(--link); }
    code { font: 0.88em ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace;
      background: var(--band); padding: 0.1em 0.3em; border-radius: 4px; }
    pre { background: var(--band); border: 1px solid var(--line); border-radius: 6px; padding: 0.7rem 0.9rem;
      overflow-x: auto; white-space: pre-wrap; overflow-wrap: anywhere; }
    pre code { background: none; padding: 0; }
    .scroll { overflow-x: auto; margin: 1rem 0; }
    table { border-collapse: collapse; font-size: 0.88rem; font-variant-numeric: tabular-nums; }
    main > table { display: block; overflow-x: auto; margin: 1rem 0; }
    th, td { padding: 0.32rem 0.55rem; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top; }
    th { border-bottom: 2px solid #8c959f; font-weight: 600; vertical-align: bottom; }
    th.n, td.n { text-align: right; }
    td.n { white-space: nowrap; }
    tbody tr:hover { background: var(--band); }
    .sortable th { cursor: pointer; user-select: none; }
    .sortable th:hover, .sortable th:focus { color: var(--link); }
    .sortable th[aria-sort=ascending]::after { content: " ▲"; font-size: 0.7em; }
    .sortable th[aria-sort=descending]::after { content: " ▼"; font-size: 0.7em; }
    .caption { color: var(--soft); font-size: 0.88rem; margin: -0.5rem 0 1.4rem; }
    figure { margin: 1.8rem 0 2.2rem; }
    .plot { border: 1px solid var(--line); border-radius: 6px; padding: 0.4rem; text-align: center; }
    .plot svg { max-width: 100%; height: auto; display: block; margin: 0 auto; }
    figcaption { font-size: 0.88rem; color: var(--soft); margin-top: 0.5rem; }
    figcaption strong { color: var(--ink); }
    .command { display: block; margin-top: 0.35rem; padding: 0.3rem 0.5rem; overflow-wrap: anywhere; }
    details { font-size: 0.88rem; margin-top: 0.3rem; }
    details .scroll { max-height: 26rem; overflow-y: auto; }
    summary { cursor: pointer; }
    blockquote { margin: 1rem 0; padding: 0.1rem 1rem; border-left: 4px solid var(--line); color: var(--soft); }
    @media (max-width: 900px) { body { display: block; } nav { position: static; padding-bottom: 0; } }
    @media print { nav, .command, details { display: none; } body { display: block; } }
    """

  /// Sorts a table by the column whose heading is clicked: by numbers where both cells begin with one.
  static let script = """
    "use strict";
    function number(text) {
      const plain = text.replace(/,/g, "").replace("\\u2212", "-");
      const value = parseFloat(plain);
      return /^[-+]?[0-9.]/.test(plain) ? value : NaN;
    }
    function compare(a, b) {
      const x = number(a), y = number(b);
      if (!isNaN(x) && !isNaN(y)) return x - y;
      if (isNaN(x) !== isNaN(y)) return isNaN(x) ? 1 : -1;
      return a < b ? -1 : a > b ? 1 : 0;
    }
    function sort(heading) {
      const table = heading.closest("table"), body = table.tBodies[0];
      const column = heading.cellIndex;
      const descending = heading.getAttribute("aria-sort") === "ascending";
      for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
      heading.setAttribute("aria-sort", descending ? "descending" : "ascending");
      const rows = Array.from(body.rows);
      rows.sort((a, b) => compare(a.cells[column].textContent, b.cells[column].textContent));
      if (descending) rows.reverse();
      body.append(...rows);
    }
    for (const table of document.querySelectorAll("main table")) {
      if (!table.tHead || !table.tBodies.length) continue;
      table.classList.add("sortable");
      for (const heading of table.tHead.rows[0].cells) {
        heading.tabIndex = 0;
        heading.title = "Sort by this column";
        heading.addEventListener("click", () => sort(heading));
        heading.addEventListener("keydown", (event) => {
          if (event.key === "Enter" || event.key === " ") { event.preventDefault(); sort(heading); }
        });
      }
    }
    """
}
