/// The word nearest to `word` if it is near enough to be a slip (two letters, or a third of them), or else the
/// first that begins with it.
public func closest(to word: String, among candidates: [String]) -> String? {
  let most = word.count < 4 ? 1 : max(2, word.count / 3)
  let near = candidates.map { (editDistance(word, $0), $0) }.filter { $0.0 <= most }
  return near.min { $0 < $1 }?.1 ?? candidates.sorted().first { !word.isEmpty && $0.hasPrefix(word) }
}

/// The least number of letters to insert, delete or replace (Levenshtein), O(a · b).
public func editDistance(_ a: String, _ b: String) -> Int {
  let (a, b) = (Array(a), Array(b))
  var row = Array(0...b.count)
  for i in a.indices {
    var diagonal = row[0]
    row[0] = i + 1
    for j in b.indices {
      let replaced = diagonal + (a[i] == b[j] ? 0 : 1)
      diagonal = row[j + 1]
      row[j + 1] = min(replaced, row[j] + 1, row[j + 1] + 1)
    }
  }
  return row[b.count]
}
