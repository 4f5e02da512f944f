import Calibration
import Foundation
import Runs
import Sim
import Synchronization

/// Predicted and measured times of one metric of one run.
struct ScoredRun {
  var run: MeasuredRun
  var release: String
  var profile: String
  var hardware: String
  var model: String
  /// How its weights are stored, those of its experts if it has any.
  var weights: WeightFormat
  var metric: RunMetric
  var measured: Double
  var predicted: Double

  var error: Double { predicted / measured - 1 }
}

/// The scores of all runs of some files.
struct RunScore {
  private(set) var scored: [ScoredRun] = []
  private(set) var leftOut: [LeftOutRow]
  /// Rows of the files.
  var rows: Int { Set(scored.map(\.run.place)).count + leftOut.count }
  /// Times to first token that are not scored, by set: those of queues.
  private(set) var queueing: [String: Int] = [:]

  /// A time to first token counts below so many times that of a lone request.
  static let mostLoneTTFT = 3.0

  init(_ files: RunFiles, profile: EngineProfile?, jobs: Int, progress: SweepProgress) throws {
    leftOut = files.leftOut
    let replay = RunReplay(profile: profile)
    let found = Mutex<[Int: RunReplay.Prediction]>([:])
    let missing = Mutex<[Int: String]>([:])
    let runs = files.runs
    progress.expect(runs.count)
    try forEachInParallel(Array(runs.indices), jobs: jobs) { [runs] index in
      do {
        let prediction = try replay.predict(runs[index])
        found.withLock { $0[index] = prediction }
      } catch let error as RunSubject.Missing {
        missing.withLock { $0[index] = error.reason }
      }
      progress.advance()
    }
    progress.clear()
    let (predictions, reasons) = (found.withLock { $0 }, missing.withLock { $0 })
    for (index, run) in runs.enumerated() {
      if let reason = reasons[index] { leftOut.append(LeftOutRow(set: run.set, reason: reason)) }
      if let prediction = predictions[index] { score(run, prediction) }
    }
  }

  private mutating func score(_ run: MeasuredRun, _ prediction: RunReplay.Prediction) {
    for (metric, measured) in run.measured {
      guard let predicted = prediction.seconds[metric] else { continue }
      if metric == .ttft, let lone = prediction.loneTTFT, measured >= Self.mostLoneTTFT * lone {
        queueing[run.set, default: 0] += 1
        continue
      }
      let subject = prediction.subject
      scored.append(
        ScoredRun(
          run: run, release: subject.release.name, profile: subject.profile.name,
          hardware: subject.hardware.name,
          model: subject.model.name, weights: subject.model.experts?.weights ?? subject.model.weights,
          metric: metric, measured: measured, predicted: predicted))
    }
  }

  /// How far measurements of one configuration are from their mean, by set, engine and metric: what no prediction can be
  /// better than on the average.
  var noise: [(set: String, engine: String, metric: RunMetric, configurations: Int, errors: [Double])] {
    var groups: [String: [ScoredRun]] = [:]
    for run in scored { groups["\(run.run.configuration) | \(run.metric)", default: []].append(run) }
    var found: [String: (first: ScoredRun, count: Int, errors: [Double])] = [:]
    for (_, group) in groups.sorted(by: { $0.key < $1.key }) {
      // The same figure twice is one measurement that is listed twice.
      let measured = Set(group.map(\.measured)).sorted()
      guard measured.count > 1 else { continue }
      let mean = measured.reduce(0, +) / Double(measured.count)
      let key = "\(group[0].run.set) | \(group[0].run.engine) | \(group[0].metric)"
      var entry = found[key] ?? (group[0], 0, [])
      entry.count += 1
      entry.errors += measured.map { mean / $0 - 1 }
      found[key] = entry
    }
    return found.sorted { $0.key < $1.key }.map {
      (
        $0.value.first.run.set, $0.value.first.run.engine, $0.value.first.metric, $0.value.count,
        $0.value.errors
      )
    }
  }
}
