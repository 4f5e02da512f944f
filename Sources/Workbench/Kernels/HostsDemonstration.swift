import Runs
import Foundation
import Reference
import Results
import Sim

/// DistAttention between processes: the KV cache of one layer lies in `hosts` processes, the query goes out to them, and
/// their states come back and are merged.
///
/// This process never holds keys or values. What the merged output is compared with comes from one more process, the
/// judge, which makes the same keys and values from their seed a thousand tokens at a time and computes in Double.
struct HostsDemonstration {
  var model: ModelSpec
  var heads: AttentionShape
  var context: Int
  var hosts: Int
  var killedHost: Int?
  var seed: UInt64

  /// A spawned process and the socket to it.
  private struct Host {
    var name: String
    var shard: KVShard
    var process: Process
    var socket: HostSocket

    /// What to say when the process has gone.
    func lost() -> CommandFailure {
      process.waitUntilExit()
      let how = process.terminationReason == .uncaughtSignal ? "was killed by signal" : "ended with status"
      return CommandFailure(
        .runFailed,
        "\(name) (process \(process.processIdentifier)) \(how) \(process.terminationStatus) before it answered"
      )
    }
  }

  func run(json: Bool) throws {
    let element = ElementType.bf16
    let tensors = RandomTensors(seed: seed)
    let whole = KVShard(element, heads, positions: 0..<context, tensors: tensors)
    try requireMemory(whole.kvBytes, context: context)

    var spawned: [Host] = []
    // However this ends, no process is left.
    defer {
      for host in spawned {
        host.socket.close()
        host.process.terminate()
        host.process.waitUntilExit()
      }
    }
    for index in 0..<hosts {
      var shard = whole
      shard.positions = context * index / hosts..<context * (index + 1) / hosts
      spawned.append(try spawn("host \(index)", shard, judge: false))
    }
    spawned.append(try spawn("the judge", whole, judge: true))
    for host in spawned { try checkReady(host) }
    let (holders, judge) = (spawned.dropLast(), spawned[hosts])
    let setUp = spawned.map(\.socket.bytesRead)

    // Out: the query, to all. Back: a state from each.
    let query = tensors.queries(element, heads)
    if let killedHost { kill(spawned[killedHost].process.processIdentifier, SIGKILL) }
    try withExtendedLifetime(query) {
      for host in spawned {
        do { try host.socket.write(UnsafeRawBufferPointer(query.bytes)) } catch { throw host.lost() }
      }
    }
    let backend = CPUBackend(threads: 1)
    let states = try holders.map { host in try readState(Float.self, from: host) }
    let output = try backend.merge(states).normalised()
    let reference = try readState(Double.self, from: judge)
    var largestValue = [0.0]
    do { try judge.socket.read(&largestValue) } catch { throw judge.lost() }
    let verdict = Judge(state: reference, largestValue: largestValue[0], naive: nil).verdict(output)

    let report = HostsReport(
      model: model, heads: heads, context: context, kvBytes: whole.kvBytes, verdict: verdict,
      parentPeakBytes: PeakMemory.bytes, parent: ProcessInfo.processInfo.processIdentifier,
      judge: judge.process.processIdentifier,
      rows: zip(holders, setUp).map { host, setUp in
        HostsReport.Row(
          name: host.name, process: host.process.processIdentifier, tokens: host.shard.positions,
          kvBytes: host.shard.kvBytes, sent: host.socket.bytesWritten, received: host.socket.bytesRead - setUp
        )
      })
    try writeToStandardOutput(json ? report.json.prettyText : report.text)
    if !verdict.isGood {
      throw CommandFailure(.runFailed, "the merged output's error is above its bound")
    }
  }

  /// Starts this program as a host.
  private func spawn(_ name: String, _ shard: KVShard, judge: Bool) throws -> Host {
    let (ours, theirs) = try HostSocket.pair()
    defer { theirs.close() }
    let process = Process()
    process.executableURL = try ThisProgram.location()
    process.arguments = KernelHostCommand.arguments(shard, judge: judge)
    process.standardInput = FileHandle(fileDescriptor: theirs.descriptor, closeOnDealloc: false)
    do { try process.run() } catch {
      ours.close()
      throw CommandFailure(.runFailed, "\(name) could not be started: \(error.localizedDescription)")
    }
    return Host(name: name, shard: shard, process: process, socket: ours)
  }

  /// Waits until a host has its keys and values, and checks that it is who it should be.
  private func checkReady(_ host: Host) throws {
    var process: [Int64] = [0]
    do { try host.socket.read(&process) } catch { throw host.lost() }
    precondition(process[0] == host.process.processIdentifier, "a host answers for itself")
  }

  private func readState<Scalar>(_: Scalar.Type, from host: Host) throws -> AttentionState<Scalar> {
    var state = AttentionState<Scalar>(identity: heads)
    do {
      try host.socket.read(&state.output)
      try host.socket.read(&state.maximum)
      try host.socket.read(&state.sum)
    } catch { throw host.lost() }
    return state
  }
}
