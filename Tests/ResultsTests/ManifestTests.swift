import Sim
import Testing

import Results

@Suite struct ManifestTests {
  @Test(arguments: [
    // FIPS 180-4 examples, and the lengths around the padding's edge (from sha256sum).
    ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
    ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
    (
      "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
      "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
    ),
    (
      String(repeating: "a", count: 55),
      "9f4390f8d30c2dd92ec9f095b65e2b9ae9b0a925a5258e241c9f1e910f734318"
    ),
    (
      String(repeating: "a", count: 64),
      "ffe054fe7ae0cb6dc65c3af9b61d5209f439851db43d0ba5997337df154668eb"
    ),
  ])
  func `SHA-256 gives the published digests`(text: String, digest: String) {
    #expect(SHA256.hex(text) == digest)
  }

  @Test func `the hash does not depend on the order in which keys were written`() {
    var other = Manifest.sample()
    other.cluster = ["gpus_per_node": 8, "nodes": 1]
    #expect(other.hash == Manifest.sample().hash)
  }

  @Test func `the hash changes with everything that the result depends on`() {
    let changes: [(inout Manifest) -> Void] = [
      { $0.programVersion = "0.2.0" }, { $0.cluster = ["nodes": 2] }, { $0.model = ["name": "llama2-13b"] },
      { $0.hardware = ["name": "a100-measured", "hbm_bytes_per_s": 1.803e12] }, { $0.policy = "vllm-s" },
      { $0.policyOptions = ["steal": true] }, { $0.engine = JSON(EngineOptions()) },
      { $0.engineProfile = ["name": "cuda-graph"] },
      { $0.slo = ["ttft_s": 2, "tpot_s": nil] }, { $0.trace = "other.csv" }, { $0.workload = [:] },
      { $0.seed = 1 },
    ]
    var hashes: Set = [Manifest.sample().hash]
    for change in changes {
      var manifest = Manifest.sample()
      change(&manifest)
      hashes.insert(manifest.hash)
    }
    #expect(hashes.count == changes.count + 1)
  }

  @Test func `step-by-step is no part of the manifest`() {
    var options = EngineOptions()
    options.stepByStep = true
    #expect(JSON(options) == JSON(EngineOptions()))
  }
}

@Suite struct JSONTests {
  @Test func `numbers are written in the shortest form that reads back`() throws {
    for value in [0.1, 0.1 + 0.2, 1e-7, 1e22, .leastNonzeroMagnitude, 123456789.125, -0.0] {
      #expect(Double(JSON.double(value).text) == value)
      #expect(try JSON(parsing: JSON.array([.double(value)]).text).elements?.first?.number == value)
    }
    #expect(JSON.double(0.1).text == "0.1")
    #expect(JSON.double(.nan).text == "null")
  }

  @Test func `strings are escaped so that they read back`() throws {
    let string = "a\"b\\c\n\t\u{1}é√"
    #expect(JSON.string(string).text == "\"a\\\"b\\\\c\\n\\t\\u0001é√\"")
    #expect(try JSON(parsing: JSON.array([.string(string)]).text) == [.string(string)])
  }

  @Test func `the pretty text and the text hold the same value`() throws {
    let json: JSON = ["b": [1, 2.5, nil, true, []], "a": ["x": "y", "e": [:]]]
    #expect(try JSON(parsing: json.prettyText) == json.canonical)
    #expect(try JSON(parsing: json.text) == json.canonical)
    #expect(json.text == #"{"b":[1,2.5,null,true,[]],"a":{"x":"y","e":{}}}"#)
  }

  @Test func `numbers, escapes and nesting read as RFC 8259 has them`() throws {
    let text =
      #"[0, -7, 2.50, 1e3, -0.5E-1, 9223372036854775808, "\u00e9\ud83d\ude00\/\b\f", {"b": {}, "a": []}]"#
    let read = try JSON(parsing: text)
    #expect(read == [0, -7, 2.5, 1000, -0.05, 9223372036854775808.0, "é😀/\u{8}\u{C}", ["a": [], "b": [:]]])
    #expect(try JSON(parsing: " \t\r\n null \n") == nil)
    let deep =
      String(repeating: "[", count: JSON.maximumDepth) + String(repeating: "]", count: JSON.maximumDepth)
    #expect(throws: Never.self) { _ = try JSON(parsing: deep) }
    #expect(throws: JSONError.self) { _ = try JSON(parsing: "[\(deep)]") }
  }

  @Test(arguments: [
    "", "[1,]", #"{"a":1,}"#, #"{"a":1,"a":1}"#, #"[{"a":{"b":1,"b":2}}]"#, "01", "1.", ".5", "+1", "-", "1e",
    "1e400", "NaN",
    "tru", "nulls", "[1 2]", #"{"a" 1}"#, #"{a:1}"#, #"{"a":}"#, "[", #"""#, #""\x""#, #""\u12g4""#,
    #""\ud800""#,
    #""\ud800\u0041""#, #""\udc00""#, "\"a\nb\"", "[1]]", "'a'", "// a\n1",
  ])
  func `what is no JSON is refused`(text: String) {
    #expect(throws: JSONError.self) { _ = try JSON(parsing: text) }
  }

  @Test func `an error says the line, what stands there and what was expected`() {
    #expect(throws: JSONError(line: 2, found: "the key \"a\" twice", expected: "each key once")) {
      _ = try JSON(parsing: "{\"a\": 1,\n\"a\": 2}")
    }
    #expect(throws: JSONError(line: 3, found: "\"]\"", expected: "a value")) {
      _ = try JSON(parsing: "[1,\n2,\n]")
    }
  }

  @Test func `a summary that lacks a key names it`() throws {
    #expect(throws: SummaryError(key: "requests.arrived")) {
      _ = try RunResult(["fingerprint": "", "policy": "", "requests": [:]])
    }
  }
}
