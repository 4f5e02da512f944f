import Foundation
import FuzzTargets

/// libFuzzer's entry points. `FUZZ_TARGET` names the parser; `FUZZ_PLANT=1` plants a crash that must be found.
private struct Campaign {
  let target: Target
  let isPlanted: Bool
  var executions = 0
  var content = 0

  init() {
    let environment = ProcessInfo.processInfo.environment
    let name = environment["FUZZ_TARGET"] ?? ""
    guard let target = Target.named(name) else {
      fatalError("FUZZ_TARGET is \(name), expected one of \(Target.all.map(\.name).joined(separator: ", "))")
    }
    (self.target, isPlanted) = (target, environment["FUZZ_PLANT"] != nil)
    // libFuzzer ends by _Exit: what is to be said is said as it goes, and `Fuzz/run` clears away.
  }
}

nonisolated(unsafe) private var campaign = Campaign()

@_cdecl("LLVMFuzzerTestOneInput")
public func testOneInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  let bytes = UnsafeRawBufferPointer(start: start, count: count)
  campaign.executions += 1
  if campaign.executions & 0x1FF == 0 { report() }
  do {
    if try campaign.target.read(bytes) == .content {
      campaign.content += 1
      // What a parser must not do, three bytes deep behind the header: bytes that no seed has and that `edit` puts in now and
      // then, so that who keeps what reaches a new branch finds all three, and who does not would not in days.
      if campaign.isPlanted, bytes.contains(0x25), bytes.contains(0x26), bytes.contains(0x2A) {
        fatalError("planted")
      }
      return 0
    }
  } catch { fatalError("an error that has no type of its own: \(error)") }
  // Not into the corpus: what comes of an input without a header has none either.
  return -1
}

/// A line on stderr: executions and how many passed the header.
private func report() {
  FileHandle.standardError.write(
    Data(
      "fuzz: \(campaign.target.name) \(campaign.executions) executions, \(campaign.content) past the header\n"
        .utf8))
}

@_silgen_name("LLVMFuzzerMutate")
private func mutateBytes(_ data: UnsafeMutablePointer<UInt8>, _ size: Int, _ most: Int) -> Int

/// Keeps the form of a text most of the time: changes words and lines, and leaves the header alone.
@_cdecl("LLVMFuzzerCustomMutator")
public func mutate(_ data: UnsafeMutablePointer<UInt8>, _ size: Int, _ most: Int, _ seed: CUnsignedInt) -> Int
{
  var draws = Draws(state: UInt64(seed) &+ 0x9E37_79B9_7F4A_7C15)
  let isBinary =
    size > 4 && !(UnsafeBufferPointer(start: data, count: min(size, 64)).allSatisfy { $0 >= 9 && $0 < 0x7F })
  if isBinary || size < 8 || draws.below(16) == 0 { return mutateBytes(data, size, most) }
  var bytes = Array(UnsafeBufferPointer(start: data, count: size))
  var header = 0
  if draws.below(16) != 0 {
    for _ in 0..<campaign.target.headerLines {
      header = (bytes[header...].firstIndex(of: 10) ?? header - 1) + 1
    }
  }
  for _ in 0...draws.below(3) { edit(&bytes, from: header, &draws) }
  let count = min(bytes.count, most)
  bytes.withUnsafeBufferPointer { data.update(from: $0.baseAddress!, count: count) }
  return count
}

private func edit(_ bytes: inout [UInt8], from header: Int, _ draws: inout Draws) {
  guard bytes.count > header + 1 else { return }
  let place = header + draws.below(bytes.count - header)
  func isWord(_ byte: UInt8) -> Bool {
    (48...57).contains(byte) || (65...90).contains(byte) || (97...122).contains(byte) || byte == 46
      || byte == 95 || byte == 45
  }
  func line(_ place: Int) -> Range<Int> {
    let start = bytes[header..<place].lastIndex(of: 10).map { $0 + 1 } ?? header
    return start..<(bytes[place...].firstIndex(of: 10).map { $0 + 1 } ?? bytes.count)
  }
  // Who takes lines of JSON apart leaves no JSON.
  switch draws.below(campaign.target.isJSON && draws.below(4) != 0 ? 14 : 20) {
  case 0...13:
    // Another word in place of one; in JSON a number in place of a number.
    guard let first = bytes[place...].firstIndex(where: isWord) else { return }
    let end = bytes[first...].firstIndex { !isWord($0) } ?? bytes.count
    let isText = !campaign.target.isJSON || first > 0 && bytes[first - 1] == 34
    bytes.replaceSubrange(first..<end, with: word(&draws, numbersOnly: !isText))
  case 14, 15: bytes.removeSubrange(line(place))
  case 16, 17:
    let copy = Array(bytes[line(place)])
    bytes.insert(contentsOf: copy, at: line(header + draws.below(bytes.count - header)).lowerBound)
  case 18: bytes.insert(contentsOf: word(&draws), at: place)
  default: bytes[place] = Array("\n ,:\"'[]{}-#0%9\\\t\r&*".utf8)[draws.below(20)]
  }
}

private func word(_ draws: inout Draws, numbersOnly: Bool = false) -> [UInt8] {
  let numbers = [
    "0", "1", "-1", "2", "7", "1000", "65536", "2147483648", "9223372036854775807", "-9223372036854775808",
    "99999999999999999999", "0.5", "1e9", "1e-9", "0.000000000001", "true", "null", "1e400", ".inf", ".nan",
    "00", "+5",
  ]
  if numbersOnly { return Array(numbers[draws.below(17)].utf8) }
  let words = campaign.target.words
  let index = draws.below(numbers.count + words.count)
  return Array((index < numbers.count ? numbers[index] : words[index - numbers.count]).utf8)
}

/// splitmix64.
private struct Draws {
  var state: UInt64
  mutating func below(_ bound: Int) -> Int {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return Int((z ^ (z >> 31)) % UInt64(bound))
  }
}
