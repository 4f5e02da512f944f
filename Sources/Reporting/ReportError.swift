/// Why a report, a timeline or an explanation could not be made. Nothing was written.
public enum ReportError: Error, Hashable, Sendable, CustomStringConvertible {
  /// The database has no completed run.
  case empty(path: String)
  case noSuchRun(path: String, run: Int64, known: String)
  /// Several runs, and none was named.
  case ambiguousRun(path: String, known: String)
  case noSuchRequest(run: Int64, request: Int, known: String)
  case noSuchMove(run: Int64, move: Int, moves: Int)
  /// Several sweeps, and none or an unknown one was named.
  case whichSweep(path: String, known: String)
  case noCommonMark
  case commonMark(reason: String)
  /// A template that cannot be read as one: what was found, what was expected.
  case template(file: String, line: Int, problem: String)

  public var description: String {
    switch self {
    case .empty(let path):
      "\(path): the database has no completed run; `infinite-sim run --db` or `compare --db` makes some"
    case .noSuchRun(let path, let run, let known):
      "\(path): there is no completed run \(run); there are \(known)"
    case .ambiguousRun(let path, let known):
      "\(path): the database has several runs; say which with --run: \(known)"
    case .noSuchRequest(let run, let request, let known):
      "run \(run) has no request \(request); \(known)"
    case .noSuchMove(let run, let move, let moves):
      moves == 0
        ? "run \(run) has no move: nothing was ordered by a planner"
        : "run \(run) has no move \(move); its moves are 1 to \(moves)"
    case .whichSweep(let path, let known): "\(path): say which sweep with --sweep: \(known)"
    case .noCommonMark:
      "cmark-gfm is not installed, and it makes HTML of Markdown. On Debian and Ubuntu: apt-get install cmark-gfm"
    case .commonMark(let reason): "cmark-gfm failed: \(reason)"
    case .template(let file, let line, let problem): "\(file):\(line): \(problem)"
    }
  }
}
