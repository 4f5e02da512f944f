/// A counted quantity with its unit in the type: only sums, differences and comparisons mean something.
public protocol Quantity: Hashable, Comparable, Sendable, AdditiveArithmetic {
  var count: Int { get }
  init(_ count: Int)
}

extension Quantity {
  @inlinable public static var zero: Self { Self(0) }
  @inlinable public static func < (a: Self, b: Self) -> Bool { a.count < b.count }
  @inlinable public static func + (a: Self, b: Self) -> Self { Self(a.count + b.count) }
  @inlinable public static func - (a: Self, b: Self) -> Self { Self(a.count - b.count) }
}

/// Tokens of a prompt, an output or a KV cache.
public struct Tokens: Quantity {
  public let count: Int
  @inlinable public init(_ count: Int) { self.count = count }
}

/// Blocks of paged KV cache (16 tokens each by default).
public struct KVBlocks: Quantity {
  public let count: Int
  @inlinable public init(_ count: Int) { self.count = count }

  /// The blocks that hold `tokens`, the last one perhaps partly: ⌈tokens / blockSize⌉.
  @inlinable public init(holding tokens: Tokens, blockSize: Int) {
    self.count = (tokens.count + blockSize - 1) / blockSize
  }
}

/// Bytes of memory or traffic.
public struct Bytes: Quantity {
  public let count: Int
  @inlinable public init(_ count: Int) { self.count = count }
}

/// An instance of the cluster, numbered from 0 in node order.
public struct InstanceID: Hashable, Comparable, Sendable {
  public let index: Int
  @inlinable public init(_ index: Int) { self.index = index }
  @inlinable public static func < (a: Self, b: Self) -> Bool { a.index < b.index }
}

/// A request, numbered from 0 in order of arrival: a lower id arrived no later.
public struct RequestID: Hashable, Comparable, Sendable {
  public let index: Int
  @inlinable public init(_ index: Int) { self.index = index }
  @inlinable public static func < (a: Self, b: Self) -> Bool { a.index < b.index }
}
