import PTXInterpreter

/// The kernels of kernels.cu: how each is launched, and what it should give, computed here.
struct OtherKernel {
  var name: String
  var grid = Dimensions(1)
  var block = Dimensions(128)
  var dynamicSharedBytes = 0
  var count: Int
  var input: [UInt8]
  /// What is in the output before the launch.
  var output: [UInt8]
  var expected: [UInt8]
  /// Units in the last place that floats may differ by; 0: every byte counts.
  var ulps = 0

  init<I, O>(
    _ name: String, grid: Dimensions, block: Dimensions, dynamicSharedBytes: Int = 0, count: Int, input: [I],
    output: [O], expected: [O], ulps: Int = 0
  ) {
    (self.name, self.grid, self.block) = (name, grid, block)
    self.dynamicSharedBytes = dynamicSharedBytes
    self.count = count
    self.input = input.withUnsafeBytes { Array($0) }
    self.output = output.withUnsafeBytes { Array($0) }
    self.expected = expected.withUnsafeBytes { Array($0) }
    self.ulps = ulps
  }

  /// Runs it in a module and says what is wrong, or nothing.
  func failure(in kernels: [String: Kernel], on device: PTXDevice) throws -> String? {
    guard let kernel = kernels[name] else { return "no kernel \(name)" }
    let (out, inp) = (device.allocate(output.count), device.allocate(input.count))
    try output.withUnsafeBytes { try device.write($0, to: out) }
    try input.withUnsafeBytes { try device.write($0, to: inp) }
    var parameters: [UInt8] = []
    for value in [out, inp] { withUnsafeBytes(of: value) { parameters += $0 } }
    withUnsafeBytes(of: UInt32(count)) { parameters += $0 }
    try device.launch(
      kernel, grid: grid, block: block, dynamicSharedBytes: dynamicSharedBytes, parameters: parameters)
    var found = output
    try found.withUnsafeMutableBytes { try device.read($0, from: out) }
    if ulps == 0 { return found == expected ? nil : "\(name) gives other bytes than the host" }
    let (floats, wanted) = (found.as(Float.self), expected.as(Float.self))
    for (index, (a, b)) in zip(floats, wanted).enumerated() where a != b && !(a.isNaN && b.isNaN) {
      guard a.isFinite, abs(Double(a) - Double(b)) <= Double(ulps) * Double(b.ulp) else {
        return "\(name)[\(index)] is \(a), on the host \(b)"
      }
    }
    return nil
  }
}

extension [UInt8] {
  func `as`<T: BitwiseCopyable>(_: T.Type) -> [T] {
    withUnsafeBytes { bytes in
      (0..<count / MemoryLayout<T>.size).map {
        bytes.loadUnaligned(fromByteOffset: $0 * MemoryLayout<T>.size, as: T.self)
      }
    }
  }
}

extension OtherKernel {
  /// All of them, on inputs that do not fill their last blocks.
  static func all() -> [OtherKernel] {
    var random = SystemlessRandom(state: 42)
    let n = 1000
    let ints = (0..<n).map { _ in Int32(truncatingIfNeeded: random.next()) >> 12 }
    let words = (0..<n).map { _ in UInt32(truncatingIfNeeded: random.next()) }
    let longs = (0..<n).map { _ in random.next() }
    let bytes = (0..<n).map { _ in UInt8(truncatingIfNeeded: random.next()) }
    let floats = ints.map { Float($0) / 1000 }
    let flat = (Dimensions(8), Dimensions(128))

    let y = floats.reversed().map { $0 * 3 }
    var kernels = [
      OtherKernel(
        "saxpy", grid: flat.0, block: flat.1, count: n, input: floats, output: y,
        expected: zip(floats, y).map { $1.addingProduct(2.5, $0) }),
      OtherKernel(
        "block_sum", grid: Dimensions(4), block: Dimensions(256), count: n, input: ints,
        output: [Int32](repeating: 0, count: 4),
        expected: (0..<4).map { ints[$0 * 256..<min($0 * 256 + 256, n)].reduce(0, &+) }),
      OtherKernel(
        "warp_sum", grid: flat.0, block: flat.1, count: n, input: floats,
        output: [Float](repeating: 0, count: 32),
        expected: (0..<32).map { warp in
          var sums = (0..<32).map { warp * 32 + $0 < n ? floats[warp * 32 + $0] : 0 }
          for distance in [16, 8, 4, 2, 1] {
            for lane in 0..<distance { sums[lane] += sums[lane + distance] }
          }
          return sums[0]
        }),
      OtherKernel(
        "prefix_sums", grid: Dimensions(4), block: Dimensions(256), count: n, input: ints,
        output: [Int32](repeating: 0, count: n),
        expected: (0..<n).map { ints[$0 / 256 * 256...$0].reduce(0, &+) }),
      OtherKernel(
        "histogram", grid: Dimensions(3), block: Dimensions(64), count: n, input: bytes,
        output: [Int32](repeating: 0, count: 16),
        expected: (0..<16).map { bin in Int32(bytes.count { Int($0) % 16 == bin }) }),
      OtherKernel(
        "transpose", grid: Dimensions(2, 2), block: Dimensions(16, 16), count: 31,
        input: Array(floats.prefix(961)),
        output: [Float](repeating: 0, count: 961), expected: (0..<961).map { floats[$0 % 31 * 31 + $0 / 31] }),
    ]
    let matrix = floats.prefix(576).map { Double($0) }
    kernels.append(
      OtherKernel(
        "matrix_square", grid: Dimensions(3, 3), block: Dimensions(8, 8), count: 24, input: matrix,
        output: [Double](repeating: 0, count: 576),
        expected: (0..<576).map { index -> Double in
          var sum = 0.0
          for k in 0..<24 { sum.addProduct(matrix[index / 24 * 24 + k], matrix[k * 24 + index % 24]) }
          return sum
        }))
    kernels.append(
      OtherKernel(
        "collatz", grid: flat.0, block: flat.1, count: n, input: words,
        output: [UInt32](repeating: 0, count: n),
        expected: words.map { word -> UInt32 in
          var (value, count): (UInt64, UInt32) = (UInt64(word), 0)
          while value > 1 {
            if value % 2 == 0 {
              value /= 2
            } else {
              value = 3 * value + 1
              if value % 8 == 4 { count += 1 << 16 }
            }
            count += 1
          }
          return count
        }))
    kernels.append(
      OtherKernel(
        "bitonic_sort", grid: Dimensions(1), block: Dimensions(512), count: 500,
        input: Array(ints.prefix(500)),
        output: [Int32](repeating: 0, count: 500), expected: ints.prefix(500).sorted()))
    kernels.append(
      OtherKernel(
        "bit_mixing", grid: flat.0, block: flat.1, count: n, input: longs,
        output: [UInt64](repeating: 0, count: n),
        expected: longs.map { long -> UInt64 in
          var z = (long ^ (long >> 30)) &* 0xbf58_476d_1ce4_e5b9
          z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
          z ^= z >> 31
          let (low, high) = (UInt32(truncatingIfNeeded: z), UInt32(z >> 32))
          var mirrored: UInt32 = 0
          for bit: UInt32 in 0..<32 { mirrored |= (high >> bit & 1) << (31 - bit) }
          let turned = (low << 7 | low >> 25) ^ mirrored
          let counted = UInt64(low.nonzeroBitCount * 100 + (high | 1).leadingZeroBitCount)
          let shifted = UInt64(high & 0xf0) << 12
          return UInt64(turned) << 32 | counted | shifted
        }))
    let pairs = ints.enumerated().map { $0.offset % 2 == 0 ? $0.element : $0.element % 50 }
    kernels.append(
      OtherKernel(
        "divisions", grid: flat.0, block: flat.1, count: n / 2, input: pairs,
        output: [Int32](repeating: 0, count: 2 * n),
        expected: (0..<n / 2).flatMap { i -> [Int32] in
          let (a, b) = (pairs[2 * i], pairs[2 * i + 1])
          let (c, d) = (Int16(truncatingIfNeeded: a), Int16(truncatingIfNeeded: b | 1))
          let e = Int64(a) * Int64(b)
          let (x, y) = (UInt32(bitPattern: a), UInt32(bitPattern: b))
          return [
            b == 0 ? -1 : a / b, b == 0 ? -1 : a % b, Int32(c) / Int32(d),
            Int32(e % 1_000_003) &+ Int32(x / 10) &- Int32(y % 7),
          ]
        }))
    let primes: [Int32] = [2, 3, 5, 7, 11, 13, 17, 19]
    kernels.append(
      OtherKernel(
        "tables", grid: flat.0, block: flat.1, count: n, input: words,
        output: [Int32](repeating: 0, count: n),
        expected: words.map { word -> Int32 in
          var mine = [Int32](repeating: 0, count: 8)
          for k in 0..<8 {
            let place = (UInt32(k * 5) &+ word) % 8
            mine[Int(place)] = primes[k] * Int32(k + 1)
          }
          var sum: Int32 = 0
          for k: UInt32 in 0..<4 { sum = sum * 3 + mine[Int((word >> (3 * k)) % 8)] }
          return sum
        }))
    var positions = [UInt32](repeating: 77, count: 32 * 33)
    let blank = positions
    for warp in 0..<32 {
      let odd = (warp * 32..<warp * 32 + 32).filter { $0 < n && words[$0] % 2 == 1 }
      positions[warp * 33] = UInt32(odd.count)
      for (place, index) in odd.enumerated() { positions[warp * 33 + 1 + place] = UInt32(index) }
    }
    kernels.append(
      OtherKernel(
        "compaction", grid: flat.0, block: flat.1, count: n, input: words, output: blank, expected: positions)
    )
    let halves = floats + [0, -0.0, 1e-8, 6e-8, 6.1e-5, 65504, 65519, 65520, 1e10, -.infinity]
    kernels.append(
      OtherKernel(
        "half_round", grid: flat.0, block: flat.1, count: 1010, input: halves,
        output: [Float](repeating: 0, count: 1010), expected: halves.map(rounded16)))
    kernels.append(
      OtherKernel(
        "float_functions", grid: flat.0, block: flat.1, count: n, input: floats,
        output: [Float](repeating: 0, count: 4 * n),
        expected: floats.flatMap { v -> [Float] in
          let root: Float = Float(1).addingProduct(v, v).squareRoot() / (v - 0.5)
          let low = Float(UInt32(bitPattern: Int32(v) & 255))
          let steps: Float = low.addingProduct(abs(v), Float(Int32(v)))
          let scaled: Double = Double(v) * 1.0000001 - 1e-3
          return [root, steps, v > 1 ? 2 : 3, Float(scaled)]
        }, ulps: 8))
    let cells = bytes.prefix(900).map { $0 & 1 }
    kernels.append(
      OtherKernel(
        "life", grid: Dimensions(4, 8), block: Dimensions(8, 4), count: 30, input: Array(cells),
        output: [UInt8](repeating: 9, count: 900),
        expected: (0..<900).map { at -> UInt8 in
          let (x, y) = (at % 30, at / 30)
          var neighbours = -Int(cells[at])
          for dy in 29...31 {
            for dx in 29...31 {
              let (row, column) = ((y + dy) % 30, (x + dx) % 30)
              neighbours += Int(cells[row * 30 + column])
            }
          }
          return neighbours == 3 || neighbours == 2 && cells[at] == 1 ? 1 : 0
        }))
    kernels.append(
      OtherKernel(
        "reversed", grid: Dimensions(1), block: Dimensions(96), dynamicSharedBytes: 4 * n, count: n,
        input: ints,
        output: [Int32](repeating: 0, count: n), expected: ints.reversed()))
    return kernels
  }

  /// To the nearest binary16 and back, by arithmetic: adding and taking away a number whose last place is the wanted one.
  private static func rounded16(_ x: Float) -> Float {
    let magnitude = abs(Double(x))
    guard magnitude < 65520 else { return x < 0 ? -.infinity : .infinity }
    let exponent = max(magnitude == 0 ? -14 : magnitude.exponent, -14)
    let large = Double(sign: .plus, exponent: Int(exponent) - 10 + 52, significand: 1.5)
    return Float(sign: x.sign, exponent: 0, significand: Float((magnitude + large) - large))
  }
}

/// SplitMix64 (Steele, Lea and Flood, 2014).
private struct SystemlessRandom {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}
