import Reporting

// Numbers and tables as `Reporting` writes them, under the names that the commands use.

func grouped(_ value: Int) -> String { Reporting.grouped(value) }
func figure(_ value: Double) -> String { Reporting.figure(value) }
func ratioText(_ value: Double) -> String { Reporting.ratioText(value) }
func percent(_ share: Double) -> String { Reporting.percent(share) }
func scientific(_ value: Double) -> String { Reporting.scientific(value) }

/// Rows of cells as an aligned Markdown table; the first row is the heading, `leftColumns` are text.
func markdownTable(_ rows: [[String]], leftColumns: Set<Int> = [0]) -> String {
  Table(rows, textColumns: leftColumns).markdown
}
