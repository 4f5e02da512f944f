import Foundation
import FuzzTargets
import Testing

/// What the fuzzer begins with, and what it has found, is read again by every test run.
@Suite struct SeedTests {
  private static let fuzz = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent().appendingPathComponent("Fuzz")

  private static func names(in folder: String) -> [String] {
    let path = fuzz.appendingPathComponent(folder).path
    return ((try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []).sorted()
  }

  private static func data(_ file: String) throws -> Data {
    try Data(contentsOf: fuzz.appendingPathComponent(file))
  }

  @Test func `Every parser has seeds, and every folder of seeds a parser`() {
    let parsers = Target.all.map(\.name).sorted()
    #expect(parsers.count >= 8)
    #expect(Self.names(in: "seeds") == parsers)
    #expect(Set(Self.names(in: "corpus")).isSubset(of: parsers))
  }

  @Test(arguments: Target.all.map(\.name))
  func `Every seed passes the header, and nothing that was found breaks a parser again`(name: String) throws {
    let target = try #require(Target.named(name))
    let seeds = Self.names(in: "seeds/\(name)")
    try #require(!seeds.isEmpty)
    for seed in seeds {
      let reach = try Self.data("seeds/\(name)/\(seed)").withUnsafeBytes(target.read)
      #expect(reach == .content, "\(seed)")
    }
    for found in Self.names(in: "corpus/\(name)") {
      _ = try Self.data("corpus/\(name)/\(found)").withUnsafeBytes(target.read)
    }
  }
}
