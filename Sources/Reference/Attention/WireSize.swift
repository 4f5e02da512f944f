/// What DistAttention sends for one layer, to or from one host.
extension AttentionShape {
  /// Bytes of the queries that go out: `rows · headDim` elements.
  public func queryBytes(_ element: ElementType) -> Int { rows * headDim * element.bytes }

  /// Bytes of the state (MA, m, e) that comes back: MA in `output`'s format, m and e as fp32.
  ///
  /// The simulator counts MA in the model's 16-bit format, as an engine that casts it would send it; the demonstration
  /// of several processes sends fp32.
  public func stateBytes(_ output: ElementType) -> Int { rows * (headDim * output.bytes + 2 * 4) }

  /// Bytes of keys and values of `tokens` tokens, which stay where they are.
  public func kvBytes(_ element: ElementType, tokens: Int) -> Int {
    2 * tokens * kvHeads * headDim * element.bytes
  }
}
