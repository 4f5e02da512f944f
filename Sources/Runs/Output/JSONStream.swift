import Output
import Results

/// Writes an object of JSON member by member, and its lists element by element: the file may be larger than what is in memory.
final class JSONStream {
  private let file: OutputWriter
  private var isFirst = true

  init(_ file: OutputWriter) {
    self.file = file
    file.write("{" as StaticString)
  }

  func member(_ key: String, _ value: JSON) {
    begin(key)
    file.write(value.text)
  }

  func members(_ members: [JSON.Member]) { for one in members { member(one.key, one.value) } }

  func list(_ key: String, _ elements: some Sequence<JSON>) {
    begin(key)
    file.write("[" as StaticString)
    for (index, element) in elements.enumerated() {
      if index > 0 { file.write("," as StaticString) }
      file.write(element.text)
    }
    file.write("]" as StaticString)
  }

  /// A member that is an object, or a list of one object.
  func object(_ key: String, inList: Bool = false, _ writeMembers: () -> Void) {
    begin(key)
    file.write(inList ? "[{" : "{")
    isFirst = true
    writeMembers()
    file.write(inList ? "}]" : "}")
    isFirst = false
  }

  func end() {
    file.write("}" as StaticString)
    file.endLine()
  }

  private func begin(_ key: String) {
    if !isFirst { file.write("," as StaticString) }
    isFirst = false
    file.write(JSON.string(key).text + ":")
  }
}
