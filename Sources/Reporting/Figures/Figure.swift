import GRDB
import Output
import Results

/// A drawing, the rows that it was made of, and how to make it again.
struct Figure {
  /// Letters, digits and hyphens: a file name and an anchor.
  var name: String
  var title: String
  /// What to see, definitions and units, in a sentence or two.
  var caption: String
  var svg: String
  var rows: Table
  /// What gives the rows in the database.
  var sql: String
  /// What `report --figure` takes to draw it alone.
  var specification: String
}

/// Drawn and described, but without a name and a number yet.
struct Drawing {
  var title: String
  var caption: String
  var script: (Labels) -> String
  var size = (width: 860, height: 420)
  var rows: Table
  var sql: String
  /// What ends the title if the runs rest on unlike bases, whatever else the title is.
  var unlikeBases = ""
}

/// A run in figures: its id and what to call it there.
struct NamedRun: Hashable {
  var id: Int64
  var label: String
}

extension Array where Element == NamedRun {
  /// `1, 5, 7`, for SQL: numbers of ours.
  var idList: String { map { String($0.id) }.joined(separator: ", ") }
}
