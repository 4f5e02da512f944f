import Foundation
import Sim
import Testing

import Workloads

@Suite struct ArithmeticTests {
  @Test("SHA-256 gives the digests of FIPS 180-4's examples, however the bytes are cut")
  func sha256() {
    let examples = [
      ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
      ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
      (
        "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
      ),
      (
        String(repeating: "a", count: 1_000_000),
        "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"
      ),
    ]
    for (text, digest) in examples {
      for piece in [1, 7, 64, 100_000] where text.utf8.count / piece < 200_000 {
        var hash = SHA256()
        let bytes = Array(text.utf8)
        for start in stride(from: 0, to: bytes.count, by: piece) {
          bytes[start..<min(start + piece, bytes.count)].withUnsafeBufferPointer { hash.update($0) }
        }
        #expect(hash.finish() == digest)
      }
    }
  }

  @Test("The logarithm agrees with the C library's to 10⁻¹⁴")
  func logarithm() {
    let stream = RandomStream(seed: 1, name: "ln")
    for entity in 0..<10_000 {
      for x in [stream.unit(entity: entity, ordinal: 0), 1e18 * stream.unit(entity: entity, ordinal: 1)] {
        #expect(abs(Elementary.ln(x) - log(x)) <= 1e-14 * max(abs(log(x)), 1e-300))
      }
    }
    #expect(Elementary.ln(1) == 0)
    #expect(abs(Elementary.ln(0x1p-53) - log(0x1p-53)) < 1e-13)
  }

  @Test("The exponential agrees with the C library's to 10⁻¹⁴")
  func exponential() {
    let stream = RandomStream(seed: 2, name: "exp")
    for entity in 0..<10_000 {
      let y = 100 * stream.unit(entity: entity, ordinal: 0) - 50
      #expect(abs(Elementary.exp(y) / exp(y) - 1) <= 1e-14)
    }
    #expect(Elementary.exp(0) == 1)
  }

  @Test("Logarithm and exponential never change: fixed values to the bit")
  func fixedBits() {
    #expect(
      [2.0, 10, 0.1].map(Elementary.ln) == [
        0x1.62e42fefa39efp-1, 0x1.26bb1bbb55515p+1, -0x1.26bb1bbb55515p+1,
      ])
    #expect(
      [1.0, -1, 4.135].map(Elementary.exp) == [
        0x1.5bf0a8b14576ap+1, 0x1.78b56362cef38p-2, 0x1.f3eaaeb920813p+5,
      ])
  }

  @Test("Arguments without a logarithm, and exponentials out of range, trap")
  func traps() async {
    await #expect(processExitsWith: .failure) { _ = Elementary.ln(0) }
    await #expect(processExitsWith: .failure) { _ = Elementary.ln(-1) }
    await #expect(processExitsWith: .failure) { _ = Elementary.exp(701) }
  }
}
