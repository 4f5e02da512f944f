import Runs
import ArgumentParser
import Foundation
import Reference

extension ElementType: ExpressibleByArgument {}

/// `infinite-sim kernel-host`, which `validate kernel --hosts` starts: a process that holds a part of a KV cache,
/// waits on its standard input, a socket, for a query, and answers with the state over its part.
struct KernelHostCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "kernel-host", abstract: "A host of `validate kernel --hosts`.", shouldDisplay: false)

  @Option var element: ElementType
  @Option var queryHeads: Int
  @Option var kvHeads: Int
  @Option var headDim: Int
  @Option var first: Int
  @Option var count: Int
  @Option var seed: UInt64
  @Flag(help: "Answer as the oracle, in Double, making keys and values as they are needed.")
  var judge = false

  /// The arguments that start a host of `shard`.
  static func arguments(_ shard: KVShard, judge: Bool) -> [String] {
    [
      "kernel-host", "--element", shard.element.rawValue, "--query-heads", "\(shard.shape.queryHeads)",
      "--kv-heads", "\(shard.shape.kvHeads)", "--head-dim", "\(shard.shape.headDim)",
      "--first", "\(shard.positions.lowerBound)", "--count", "\(shard.positions.count)",
      "--seed", "\(shard.tensors.seed)",
    ] + (judge ? ["--judge"] : [])
  }

  func run() throws {
    do { try answer() } catch is HostSocket.Closed {
      // Nobody waits for the answer any more, and whoever asked has said why.
      throw ExitCode(FailureStatus.runFailed.rawValue)
    }
  }

  private func answer() throws {
    let shape = AttentionShape(queryHeads: queryHeads, kvHeads: kvHeads, headDim: headDim)
    let shard = KVShard(
      element, shape, positions: first..<first + count, tensors: RandomTensors(seed: seed))
    let socket = HostSocket(descriptor: STDIN_FILENO)
    let part = judge ? nil : shard.part()
    // Ready: the keys and values are in place.
    try socket.write([Int64(ProcessInfo.processInfo.processIdentifier)])

    let values = ElementBuffer(element, count: shape.rows * shape.headDim)
    try socket.read(into: values.bytes)
    let query = AttentionQuery(shape: shape, values: values)
    if let part {
      let state = try CPUBackend(threads: 1).partial(query, over: part)
      try socket.write(state.output)
      try socket.write(state.maximum)
      try socket.write(state.sum)
    } else {
      let (state, largestValue) = shard.judged(query)
      try socket.write(state.output)
      try socket.write(state.maximum)
      try socket.write(state.sum)
      try socket.write([largestValue])
    }
  }
}
