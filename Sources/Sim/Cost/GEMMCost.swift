#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// Time of a matrix product (M × K) · (K × N):
///
///     floor + (memory^q + compute^q)^(1/q) + M · K / quantised
///
/// Memory time moves the weights, the input and the output once, longer where tiles leave multiprocessors without work
/// (`GEMMTiling.waves`); compute time is 2 · (K + fill) flops for each element of the tiles that cover the output,
/// `GEMMTiling`. An infinite q is the roofline's hard maximum.
public struct GEMMCost: Hashable, Sendable {
  /// Launch floor, µs.
  public var floor: Double
  /// Memory bandwidth reached.
  public var bytesPerSecond: Double
  /// Arithmetic rate reached.
  public var flopsPerSecond: Double
  /// q: how softly memory and compute time overlap.
  public var exponent: Double
  /// Steps along K that filling and emptying a tile's pipeline takes, as so many elements of K.
  public var fill: Double
  /// Input elements per second that are quantised before the product; infinite where none are.
  public var quantisedPerSecond: Double
  /// How tiles cover the output.
  public var tiling: GEMMTiling
  /// Bytes of one weight.
  public var bytesPerWeight: Double
  /// Bytes of one element of the input.
  public var bytesPerInput: Double

  /// Takes the parts as they are.
  public init(
    floor: Double, bytesPerSecond: Double, flopsPerSecond: Double, exponent: Double,
    fill: Double = 0, quantisedPerSecond: Double = .infinity, tiling: GEMMTiling = .exact,
    bytesPerWeight: Double = 2, bytesPerInput: Double = 2
  ) {
    self.floor = floor
    self.bytesPerSecond = bytesPerSecond
    self.flopsPerSecond = flopsPerSecond
    self.exponent = exponent
    self.fill = fill
    self.quantisedPerSecond = quantisedPerSecond
    self.tiling = tiling
    self.bytesPerWeight = bytesPerWeight
    self.bytesPerInput = bytesPerInput
  }

  /// µs for `rows` = M tokens, `inner` = K, `columns` = N.
  public func microseconds(rows: Int, inner: Int, columns: Int) -> Double {
    product(inner: inner, columns: columns).microseconds(rows: rows)
  }

  /// The products with one matrix: what does not depend on the rows is worked out once.
  func product(inner: Int, columns: Int) -> MatrixProduct {
    let (k, n) = (Double(inner), Double(columns))
    let perByte = tiling.stretch(columns: columns) / bytesPerSecond * 1e6
    return MatrixProduct(
      columns: columns, tiling: tiling, floor: floor, exponent: exponent, root: 1 / exponent,
      weights: bytesPerWeight * n * k * perByte, perRow: (bytesPerInput * k + 2 * n) * perByte,
      perElement: 2 * (k + fill) / flopsPerSecond * 1e6, quantising: k / quantisedPerSecond * 1e6)
  }

  /// Bytes that the product moves: weights, input, and an output of 16 bits.
  public func bytes(rows: Int, inner: Int, columns: Int) -> Double {
    let (m, k, n) = (Double(rows), Double(inner), Double(columns))
    return bytesPerWeight * n * k + bytesPerInput * m * k + 2 * m * n
  }
}

/// Products with one matrix, `GEMMCost` as a function of the rows; times in µs.
struct MatrixProduct: Sendable {
  let columns: Int
  let tiling: GEMMTiling
  let floor: Double
  /// q and 1/q.
  let exponent: Double
  let root: Double
  /// Moving the weights, and input and output of one row.
  let weights: Double
  let perRow: Double
  /// Computing one element of the output.
  let perElement: Double
  /// Quantising the input of one row.
  let quantising: Double

  func microseconds(rows: Int) -> Double {
    let memory = weights + perRow * Double(rows)
    let compute = perElement * tiling.elements(rows: rows, columns: columns)
    return floor + overlapped(memory, compute) + quantising * Double(rows)
  }

  /// (a^q + b^q)^(1/q), scaled by the larger so that no power overflows.
  private func overlapped(_ a: Double, _ b: Double) -> Double {
    let larger = max(a, b)
    guard exponent.isFinite, larger > 0 else { return larger }
    return larger * pow(1 + pow(min(a, b) / larger, exponent), root)
  }
}

/// How the tiles of a matrix product's output are chosen and dealt to the GPU's multiprocessors.
public enum GEMMTiling: Hashable, Sendable {
  /// No tiles: every element once.
  case exact
  /// Rows in whole tiles of 64 above 64, dealt out evenly: what cuBLAS reaches on Hopper.
  case even
  /// cuBLAS on Ampere: the best of tiles of 128 × 256 in whole waves over `multiprocessors`, of 128 × 128 at `narrow`
  /// times the time per element, and of tiles dealt out evenly at `spread` times.
  ///
  /// Weights stream in strips of 64 columns, one to a multiprocessor. Where the last wave of strips leaves others without
  /// one, moving the bytes takes up to 1 + `idle` times as long: by how many are idle for each that works, at most 1, since
  /// of a narrower output cuBLAS splits K.
  case waves(multiprocessors: Int, narrow: Double, spread: Double, idle: Double = 0)
  /// CUTLASS as vLLM 0.24 sets it up for fp8: tiles of 64 × 64 up to 64 rows, of 64 × 128 up to 128, then of
  /// 128 × 128, in whole waves.
  case byRows(multiprocessors: Int)

  /// Elements of the tiles that cover an output of `rows` × `columns`, idle places of the last wave included.
  func elements(rows: Int, columns: Int) -> Double {
    switch self {
    case .exact: return Double(rows) * Double(columns)
    case .even: return Self.even(rows, columns)
    case .waves(let multiprocessors, let narrow, let spread, _):
      return min(
        Self.waves(rows, columns, of: (128, 256), on: multiprocessors),
        narrow * Self.waves(rows, columns, of: (128, 128), on: multiprocessors),
        spread * Self.even(rows, columns))
    case .byRows(let multiprocessors):
      let tile = rows <= 64 ? (64, 64) : rows <= 128 ? (64, 128) : (128, 128)
      return Self.waves(rows, columns, of: tile, on: multiprocessors)
    }
  }

  /// What the memory's time is multiplied by.
  func stretch(columns: Int) -> Double {
    guard case .waves(let multiprocessors, _, _, let idle) = self else { return 1 }
    let strips = (columns + 63) / 64
    let places = (strips + multiprocessors - 1) / multiprocessors * multiprocessors
    return 1 + idle * min(1, Double(places - strips) / Double(strips))
  }

  private static func even(_ rows: Int, _ columns: Int) -> Double {
    Double(rows > 64 ? (rows + 63) / 64 * 64 : rows) * Double(columns)
  }

  @inline(__always)
  private static func waves(_ rows: Int, _ columns: Int, of tile: (Int, Int), on multiprocessors: Int)
    -> Double
  {
    let tiles = ((rows + tile.0 - 1) / tile.0) * ((columns + tile.1 - 1) / tile.1)
    let waves = (tiles + multiprocessors - 1) / multiprocessors
    return Double(waves) * Double(multiprocessors * tile.0 * tile.1)
  }
}
