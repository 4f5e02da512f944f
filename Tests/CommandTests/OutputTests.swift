import Foundation
import Output
import Runs
import Testing

/// Where outputs go, and what stays as it was.
@Suite struct OutputTests {
  /// A folder that lives as long as the test.
  final class Folder {
    let path = FileManager.default.temporaryDirectory.appendingPathComponent("output-\(UUID().uuidString)")
      .path
    init() throws { try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true) }
    deinit { try? FileManager.default.removeItem(atPath: path) }
    func file(_ name: String) -> String { "\(path)/\(name)" }
    func text(_ name: String) throws -> String { try String(contentsOfFile: file(name), encoding: .utf8) }
    func put(_ name: String, _ text: String, mode: mode_t = 0o644) throws {
      try text.write(toFile: file(name), atomically: false, encoding: .utf8)
      chmod(file(name), mode)
    }
    var names: [String] { get throws { try FileManager.default.contentsOfDirectory(atPath: path).sorted() } }
    func status(_ name: String) -> stat {
      var found = stat()
      lstat(file(name), &found)
      return found
    }
  }

  @Test func `a file appears whole, or what was there stays, and the mode stays`() throws {
    let folder = try Folder()
    try folder.put("old", "old", mode: 0o600)
    for name in ["old", "new"] {
      let writer = try OutputWriter(OutputFile(folder.file(name)))
      writer.write("text ")
      writer.write(Int64(-17))
      writer.endLine()
      #expect(try folder.text("old") == (name == "old" ? "old" : "text -17\n"))
      try OutputWriter.publish([writer])
      #expect(try folder.text(name) == "text -17\n")
    }
    #expect(folder.status("old").st_mode & 0o777 == 0o600)
    do { _ = try OutputWriter(OutputFile(folder.file("new"))) }
    #expect(try folder.names == ["new", "old"] && folder.text("new") == "text -17\n")
  }

  @Test func `outputs of a command appear together, after what it prints`() throws {
    let folder = try Folder()
    try folder.put("one", "old")
    try FileManager.default.linkItem(atPath: folder.file("one"), toPath: folder.file("two"))
    let inside = try OutputFolder(folder.file("a/b"), option: "--out")
    func write() throws {
      try OutputFile(folder.file("new")).write("text")
      try OutputFile(folder.file("one")).write("text")
      try inside.write([("c/d", "text")])
      #expect(!FileManager.default.fileExists(atPath: folder.file("new")))
      #expect(try folder.text("two") == "old")
    }
    #expect(throws: OutputError.self) {
      try OutputWriter.together {
        try write()
        throw OutputError(.refused, "stdout: cannot be written")
      }
    }
    #expect(try folder.names == ["one", "two"] && folder.text("two") == "old")
    try OutputWriter.together(write)
    #expect(
      try folder.text("new") == "text" && folder.text("two") == "text" && folder.text("a/b/c/d") == "text")
    #expect(try folder.names == ["a", "new", "one", "two"])
  }

  @Test func `symbolic links are followed, also to what is not there yet`() throws {
    let folder = try Folder()
    try folder.put("target", "old")
    for (link, target) in [("link", "target"), ("second", "link"), ("dangling", "made")] {
      try FileManager.default.createSymbolicLink(atPath: folder.file(link), withDestinationPath: target)
      try OutputFile(folder.file(link)).write(link)
      #expect(try folder.text(target) == link)
      #expect(folder.status(link).st_mode & S_IFMT == S_IFLNK)
    }
    #expect(folder.status("target").st_mode & S_IFMT == S_IFREG)
    try FileManager.default.createSymbolicLink(atPath: folder.file("circle"), withDestinationPath: "circle")
    #expect(throws: OutputError.self) { _ = try OutputFile(folder.file("circle")) }
  }

  @Test func `all names of a file have what is written to one`() throws {
    let folder = try Folder()
    try folder.put("one", "a longer text than the next", mode: 0o640)
    try FileManager.default.linkItem(atPath: folder.file("one"), toPath: folder.file("two"))
    let before = folder.status("two")
    try OutputFile(folder.file("one")).write("text")
    #expect(try folder.text("two") == "text")
    let after = folder.status("two")
    #expect(after.st_ino == before.st_ino && after.st_mode == before.st_mode && after.st_nlink == 2)
  }

  @Test func `devices and FIFOs stay what they are and are written to`() throws {
    let folder = try Folder()
    // Not /dev/null itself: the fault that this looks for would destroy it.
    try FileManager.default.createSymbolicLink(atPath: folder.file("null"), withDestinationPath: "/dev/null")
    try OutputFile(folder.file("null")).write("text")
    #expect(folder.status("null").st_mode & S_IFMT == S_IFLNK)

    mkfifo(folder.file("fifo"), 0o600)
    let reader = open(folder.file("fifo"), O_RDONLY | O_NONBLOCK)
    defer { close(reader) }
    try OutputFile(folder.file("fifo")).write("text")
    var bytes = [UInt8](repeating: 0, count: 10)
    #expect(read(reader, &bytes, 10) == 4 && bytes[0] == UInt8(ascii: "t"))
    #expect(folder.status("fifo").st_mode & S_IFMT == S_IFIFO)
    #expect(try folder.names == ["fifo", "null"])
  }

  @Test func `a full disk leaves nothing, of no output`() throws {
    guard FileManager.default.fileExists(atPath: "/dev/full") else { return }
    let folder = try Folder()
    // Not /dev/full itself, as above.
    try FileManager.default.createSymbolicLink(atPath: folder.file("full"), withDestinationPath: "/dev/full")
    let error = #expect(throws: OutputError.self) {
      try OutputFile.write([
        (OutputFile(folder.file("new")), "text"), (OutputFile(folder.file("full")), "text"),
      ])
    }
    #expect(error?.description.contains("full: cannot be written: ") == true)
    #expect(try folder.names == ["full"])
    let inside = try OutputFolder(folder.file("a/b"), option: "--out")
    #expect(throws: OutputError.self) { try inside.write([("c/d", "text"), ("c/d/e", "text")]) }
    #expect(try folder.names == ["full"])
    try inside.write([("c/d", "text"), ("e", "more")])
    #expect(try folder.text("a/b/c/d") == "text")
  }

  @Test func `a folder, a path without one, and nothing at all are no outputs`() throws {
    let folder = try Folder()
    try folder.put("file", "old")
    for path in [
      folder.path, folder.path + "/", folder.file("no/new"), folder.file("file/new"), "",
      folder.file("new.csv.gz"),
    ] {
      #expect(throws: OutputError.self) { _ = try OutputFile(path, option: "--out") }
    }
    for path in ["-", folder.file("file"), folder.file("file/a/b"), ""] {
      #expect(throws: OutputError.self) { _ = try OutputFolder(path, option: "--out") }
    }
    for path in ["x", "./x", folder.file(String(repeating: "n", count: 255))] {
      #expect(try OutputFile(path).path == path)
    }
    try OutputFile(folder.file(String(repeating: "n", count: 255))).write("text")
    #expect(try folder.names.count == 2)
  }

  @Test func `outputs that are one file, or an input, are told`() throws {
    let folder = try Folder()
    try folder.put("t.csv", "")
    try folder.put("g.yaml", "requests: 1\nclasses: [{prompt: {dist: trace, field: prompt, path: t.csv}}]\n")
    try FileManager.default.createSymbolicLink(atPath: folder.file("dangling"), withDestinationPath: "new")
    try FileManager.default.createSymbolicLink(atPath: folder.file("null"), withDestinationPath: "/dev/null")
    func clash(_ fill: (inout FileRoles) -> Void) -> Bool {
      var files = FileRoles()
      fill(&files)
      do { try files.requireDistinct() } catch { return error.status == .usage }
      return false
    }
    func two(_ a: String, _ b: String) -> Bool {
      clash {
        $0.addOutput("--a", a)
        $0.addOutput("--b", b)
      }
    }
    #expect(two("-", "-") && two("-", "/dev/stdout"))
    #expect(two(folder.file("new"), folder.file("./new")) && two(folder.file("new"), folder.file("dangling")))
    #expect(!two(folder.file("new"), folder.file("other")))
    // Nothing in a device is destroyed.
    #expect(!two("/dev/null", folder.file("null")))
    for suffix in ["", "-wal", "-shm", "-journal"] {
      #expect(
        clash {
          $0.addDatabase("--db", folder.file("runs.db"))
          $0.addOutput("--b", folder.file("runs.db\(suffix)"))
        })
    }
    #expect(clash { $0.addDatabase("--db", "-") })
    for trace in ["t.csv", "g.yaml", ""] {
      #expect(
        clash {
          $0.addTrace("--trace", folder.file(trace))
          $0.addOutput("--b", folder.file("t.csv"))
        }, "\(trace)")
    }
  }

  @Test func `what goes to stdout has it for itself, and the summary goes to stderr`() throws {
    let folder = try Folder()
    try folder.put("t.csv", "arrival_s,input_tokens,output_tokens\n0,100,10\n1,50,5\n")
    let run = ["run", "--trace", "t.csv", "--policy", "vllm-m", "--gpus-per-node", "1", "--quiet"]
    let plain = try Program.run(run + ["--requests-out", "r.csv"], in: folder.path)
    let piped = try Program.run(run + ["--requests-out", "-"], in: folder.path)
    #expect(
      try piped.status == 0 && piped.output == folder.text("r.csv") && piped.errors.contains(plain.output))
    let generated = try Program.run(["trace", "generate", "--paper", "5", "--out", "-"], in: folder.path)
    #expect(
      generated.status == 0 && generated.output.hasPrefix("arrival_s,")
        && generated.errors.contains("500 requests"))
    // The shell has led stdout to the file that the option names.
    try folder.put("same.csv", "")
    let same = try Program.run(
      run + ["--requests-out", "same.csv"], in: folder.path, output: folder.file("same.csv"))
    #expect(try same.status == 0 && folder.text("same.csv") == folder.text("r.csv"))
  }

  @Test func `a signal leaves nothing half done and says how to go on`() throws {
    let folder = try Folder()
    try folder.put("t.csv", "arrival_s,input_tokens,output_tokens\n0,100,10\n")
    for (number, status) in [(SIGINT, Int32(130)), (SIGTERM, 143), (SIGHUP, 129)] {
      // What is ignored here, as in the background or under nohup, would be ignored there, for good reason.
      _ = signal(number, SIG_DFL)
      // It waits for a reader of the FIFO, with the timeline half done beside.
      mkfifo(folder.file("fifo"), 0o600)
      let process = Process()
      process.executableURL = URL(fileURLWithPath: Program.path)
      process.arguments = [
        "run", "--trace", "t.csv", "--policy", "vllm-m", "--gpus-per-node", "1", "--quiet", "--requests-out",
        "fifo", "--timeline", "t.json",
      ]
      process.currentDirectoryURL = URL(fileURLWithPath: folder.path)
      process.standardOutput = FileHandle.nullDevice
      try "".write(toFile: folder.file("errors"), atomically: false, encoding: .utf8)
      process.standardError = try FileHandle(forWritingTo: URL(fileURLWithPath: folder.file("errors")))
      try process.run()
      while try !folder.names.contains(where: { $0.contains(".partial-") }) { usleep(1_000) }
      kill(process.processIdentifier, number)
      process.waitUntilExit()
      #expect(process.terminationStatus == status)
      let errors = try folder.text("errors")
      #expect(
        errors.hasPrefix("stopped by SIG") && errors.contains("the same command") && errors.last == "\n")
      #expect(try folder.names == ["errors", "fifo", "t.csv"])
      unlink(folder.file("fifo"))
    }
  }
}
