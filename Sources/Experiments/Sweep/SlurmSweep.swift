import Output
import Runs
import Formatting
import Foundation
import Reporting
import Results
import Storage

/// Has the points of a study run by Slurm: chunks of them as tasks of a job array, each into a shard of its own; then
/// merges the shards.
///
/// What a chunk is worth is seen by its file alone: a task that ends well leaves `chunk-N.done` beside its shard. A chunk
/// that is neither done nor in the queue is lost, whatever became of it, and is submitted again. So nothing need be known
/// of jobs but whether they are in the queue, and a sweep that was itself killed finds its jobs there by their name.
struct SlurmSweep {
  static let mostChunks = 1000  // slurm.conf's MaxArraySize is 1001 unless set

  var plan: SweepPlan
  var study: String
  var store: ResultStore
  var chunks: Int
  /// Cores of a task.
  var jobs: Int
  /// Times that a chunk is submitted before the sweep gives up.
  var tries: Int
  /// Further options of sbatch.
  var sbatchOptions: [String]
  var log: (String) -> Void

  private static let pollInterval: UInt32 = 1  // seconds
  /// A file may be seen later than the end of the task that wrote it, as on NFS.
  private static let pollsToBeLost = 3
  /// The controller may be away for so long.
  private static let pollsWithoutAnswer = 300

  /// The same for every task; what differs are its arguments. Every try has a file of its own, as a task that hangs on a
  /// lost node may keep an earlier one locked; it begins with what those hold. The name of the file is in `chunk-N.done`.
  private static let script = """
    #!/bin/sh
    # PROGRAM STUDY CHUNKS CORES FOLDER
    chunk=$5/chunk-$SLURM_ARRAY_TASK_ID
    shard=$chunk.$SLURM_ARRAY_JOB_ID
    for earlier in "$chunk".*.db; do
      [ ! -e "$earlier" ] || "$1" merge "$shard.db" "$earlier" --quiet >/dev/null 2>&1
    done
    "$1" sweep "$2" --shard "$SLURM_ARRAY_TASK_ID/$3" --jobs "$4" --db "$shard.db" --quiet &&
      echo "${shard##*/}.db" >"$shard.done" && mv "$shard.done" "$chunk.done"

    """

  func run() throws {
    let wanted = try chunksToRun()
    guard !wanted.isEmpty else { return }
    let sbatch = try Self.program("sbatch")
    let squeue = try Self.program("squeue")
    let key = JSON.array(
      plan.heats.flatMap { $0.members.map { .string($0.manifest.hash) } } + [.int(chunks)]
    ).digest.prefix(12)
    let folder = URL(fileURLWithPath: store.path + ".shards/\(key)")
    let name = "infinite-sim-" + JSON.string(folder.path).digest.prefix(12)
    do {
      try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
      try Data(Self.script.utf8).write(to: folder.appendingPathComponent("chunk.sh"), options: .atomic)
    } catch {
      throw CommandFailure(.runFailed, "\(folder.path): cannot be written: \(error.localizedDescription)")
    }
    func file(_ chunk: Int, _ ending: String) -> URL {
      folder.appendingPathComponent("chunk-\(chunk).\(ending)")
    }

    // Told if this process is stopped: of Slurm's tasks only if there are some.
    func keep(done: Int, atSlurm: Bool) {
      let path = store.path
      Interruption.keeps {
        var words = [Interruption.keptRuns(in: path)].compactMap(\.self)
        if done > 0 { words.append("\(done) of \(wanted.count) chunks are done, in \(folder.path)") }
        if atSlurm { words.append("tasks that Slurm has go on (scancel --name=\(name) ends them)") }
        return words.isEmpty ? nil : Interruption.Kept(words.joined(separator: "; "))
      }
    }

    var submitted: [Int: Int] = [:]
    var polls: [Int: Int] = [:]
    var unanswered = 0
    // Chunk → its shard.
    var done: [Int: String] = [:]
    while true {
      let queued: Set<Int>
      do {
        queued = try Self.queue(squeue, name)
        unanswered = 0
      } catch {
        unanswered += 1
        guard unanswered < Self.pollsWithoutAnswer else { throw error }
        sleep(Self.pollInterval)
        continue
      }
      let before = done.count
      for chunk in wanted where done[chunk] == nil {
        guard let name = try? String(contentsOf: file(chunk, "done"), encoding: .utf8) else { continue }
        done[chunk] = folder.appendingPathComponent(name.trimmingCharacters(in: .newlines)).path
      }
      keep(done: done.count, atSlurm: !queued.isEmpty)
      if done.count > before { log("\(done.count) of \(wanted.count) chunks done") }
      if done.count == wanted.count { break }

      var lost: [Int] = []
      for chunk in wanted where done[chunk] == nil {
        polls[chunk] = queued.contains(chunk) ? 0 : polls[chunk, default: 0] + 1
        if polls[chunk]! >= (submitted[chunk] == nil ? 1 : Self.pollsToBeLost) { lost.append(chunk) }
      }
      for chunk in lost {
        let times = submitted[chunk, default: 0]
        let words = Self.lastLine(file(chunk, "log"))
        guard times < tries else {
          throw CommandFailure(
            .runFailed, "chunk \(chunk) of \(chunks) was lost or failed \(times) times: \(words)")
        }
        if times > 0 { log("chunk \(chunk) is lost or failed, try \(times + 1) of \(tries): \(words)") }
        submitted[chunk] = times + 1
        polls[chunk] = 0
      }
      if !lost.isEmpty {
        let list = lost.map(String.init).joined(separator: ",")
        // Slurm may have them before it says so.
        keep(done: done.count, atSlurm: true)
        let job = try Self.submit(
          sbatch,
          ["--array=\(list)", "--job-name=\(name)", "--cpus-per-task=\(jobs)"] + sbatchOptions + [
            // Lost tasks are submitted from here, where they are counted.
            "--no-requeue", "--chdir=\(folder.path)", "--output=chunk-%a.log", "--open-mode=append",
            folder.appendingPathComponent("chunk.sh").path, try ThisProgram.location().path,
            URL(fileURLWithPath: study).path, "\(chunks)", "\(jobs)", folder.path,
          ])
        log("job \(job): chunks \(list) of \(chunks)")
      }
      sleep(Self.pollInterval)
    }

    let merged = try store.merge(Shards(wanted.map { done[$0]! }))
    log("\(grouped(merged.runs)) runs and \(grouped(merged.points)) points merged")
    // All of it is in the database now.
    try? FileManager.default.removeItem(at: folder)
    rmdir(store.path + ".shards")
  }

  /// The chunks that have a run which the database has not.
  private func chunksToRun() throws -> [Int] {
    let missing = try plan.heats.filter { heat in
      try heat.members.contains {
        try store.completedRun(manifestHash: $0.manifest.hash, with: $0.job.kept) == nil
      }
    }
    let names = Set(missing.map(\.name))
    return (1...chunks).filter { chunk in
      !Shard(index: chunk, count: chunks).share(of: plan.study.heats).isDisjoint(with: names)
    }
  }

  // MARK: - Slurm's commands

  private static func program(_ name: String) throws -> String {
    guard let path = findProgram(name) else {
      throw CommandFailure(.runFailed, "\(name) is not in PATH: --engine slurm needs Slurm's commands")
    }
    return path
  }

  /// The chunks that are waiting or running.
  private static func queue(_ squeue: String, _ name: String) throws -> Set<Int> {
    let result = try runProgram(
      squeue, ["--me", "--array", "--noheader", "--name=\(name)", "--format=%K"], input: "")
    guard result.status == 0 else { throw CommandFailure(.runFailed, "squeue: \(oneLine(result.errors))") }
    return Set(result.output.split(whereSeparator: \.isWhitespace).compactMap { Int($0) })
  }

  /// The id of the new job.
  private static func submit(_ sbatch: String, _ arguments: [String]) throws -> String {
    let result = try runProgram(sbatch, ["--parsable"] + arguments, input: "")
    guard result.status == 0 else { throw CommandFailure(.runFailed, "sbatch: \(oneLine(result.errors))") }
    return oneLine(result.output)
  }

  private static func oneLine(_ text: String) -> String {
    text.split(whereSeparator: \.isNewline).joined(separator: "; ")
  }

  private static func lastLine(_ file: URL) -> String {
    guard let text = try? String(contentsOf: file, encoding: .utf8),
      let line = text.split(whereSeparator: \.isNewline).last
    else { return "it left no word" }
    return String(line)
  }
}
