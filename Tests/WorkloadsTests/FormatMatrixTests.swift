import Testing

import Workloads

@Suite struct FormatMatrixTests {
  @Test("Every format has a fixture, is found from its content, and reads it when named")
  func diagonal() throws {
    let scratch = try Scratch()
    for format in TraceFormat.all {
      let path = try FormatFixtures.write(format.name, in: scratch)
      let named = try TraceFile.open(path: path, options: FormatFixtures.options(format.name))
      #expect(named.format.name == format.name)
      var found = FormatFixtures.options(nil)
      found.isLenient = format.approximation != nil
      let detected = try TraceFile.open(path: path, options: found)
      #expect(detected.format.name == format.name, "\(format.name)")
      #expect(try detected.allRecords() == named.allRecords())
      #expect(named.info.count >= 2, "\(format.name)")
      #expect(named.count.all == named.info.count)
    }
  }

  @Test("No reader accepts a file of another format, strictly or leniently")
  func offDiagonal() throws {
    let scratch = try Scratch()
    var cells = 0
    for file in TraceFormat.all {
      let path = try FormatFixtures.write(file.name, in: scratch)
      for reader in TraceFormat.all where reader.name != file.name {
        for lenient in [false, true] {
          let error = traceError {
            _ = try TraceFile.open(path: path, options: FormatFixtures.options(reader.name, lenient: lenient))
          }
          #expect(error != nil, "\(reader.name) read a file of \(file.name)")
          cells += 1
        }
      }
    }
    #expect(cells == 2 * TraceFormat.all.count * (TraceFormat.all.count - 1))
  }

  @Test("An unknown format is refused by name")
  func unknown() throws {
    let scratch = try Scratch()
    let path = try FormatFixtures.write("plain", in: scratch)
    guard
      case .invalidOption(name: "format", _, let expected) = traceError({
        _ = try TraceFile.open(path: path, options: FormatFixtures.options("nonsense"))
      })
    else {
      Issue.record("a format called nonsense was accepted")
      return
    }
    #expect(expected.contains("mooncake"))
  }
}
