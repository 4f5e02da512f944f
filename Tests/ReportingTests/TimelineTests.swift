import Foundation
import Output
import Policies
import Reporting
import Results
import Sim
import TestSupport
import Testing
import Torture

/// A folder that lives as long as the test that made it.
final class Folder {
  let path = FileManager.default.temporaryDirectory.appendingPathComponent("reporting-\(UUID().uuidString)")
    .path
  init() throws { try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true) }
  deinit { try? FileManager.default.removeItem(atPath: path) }
  func file(_ name: String) -> String { "\(path)/\(name)" }
  func read(_ name: String) throws -> String { try String(contentsOfFile: file(name), encoding: .utf8) }
}

@Suite("The timeline of a run")
struct TimelineTests {
  private func events(_ scenario: PolicyScenario, stepByStep: Bool) throws -> [[String: Any]] {
    let folder = try Folder()
    var configuration = scenario.configuration
    configuration.engine.stepByStep = stepByStep
    let timeline = try TimelineWriter(
      OutputFile(folder.file("t.json")), instances: configuration.topology.count,
      about: ["policy": "a \"quoted\" name"])
    _ = try Simulation(configuration, policy: scenario.makePolicy(), observer: timeline)
      .run(SharingSource(scenario.requests, scenario.sharing))
    #expect(!FileManager.default.fileExists(atPath: folder.file("t.json")))
    timeline.end()
    try OutputWriter.publish([timeline.file])
    let data = try Data(contentsOf: URL(fileURLWithPath: folder.file("t.json")))
    let trace = try #require(JSONSerialization.jsonObject(with: data) as? [String: Any])
    #expect((trace["otherData"] as? [String: Any])?["policy"] as? String == "a \"quoted\" name")
    return try #require(trace["traceEvents"] as? [[String: Any]])
  }

  @Test(
    "It is in the Trace Event Format: known phases, slices that do not overlap, begins with their ends, arrows with both",
    arguments: ["vllm-m", "debtor-creditor"], EngineKind.allCases)
  func isInTheFormat(policy: String, engine: EngineKind) throws {
    var arrows = 0
    for seed in 1...25 as ClosedRange<UInt64> {
      let scenario = try PolicyScenarios(policyName: policy, engine: engine).scenario(seed: seed)
      var open: Set<String> = []
      var flows: [String: Set<String>] = [:]
      var slices: [Int: [(start: Int, end: Int)]] = [:]
      for event in try events(scenario, stepByStep: false) {
        let phase = try #require(event["ph"] as? String)
        let process = try #require(event["pid"] as? Int)
        #expect(process >= 1 && process <= scenario.configuration.topology.count)
        #expect((event["name"] as? String)?.isEmpty == false)
        guard phase != "M" else { continue }
        let time = try #require(event["ts"] as? Double)
        #expect(time >= 0)
        switch phase {
        case "X":
          let length = try #require(event["dur"] as? Double)
          if event["tid"] as? Int == 1 {
            let start = Int((time * 1_000).rounded())
            slices[process, default: []].append((start, start + Int((length * 1_000).rounded())))
          }
          if let flow = event["bind_id"] as? String {
            flows[flow, default: []].insert(event["flow_out"] as? Bool == true ? "out" : "in")
          }
        case "b", "e":
          let id = try #require(event["id"] as? String) + " \(event["name"] ?? "") \(process)"
          if phase == "b" {
            #expect(open.insert(id).inserted, "\(id) begins twice, \(scenario.replay)")
          } else {
            #expect(open.remove(id) != nil, "\(id) ends without beginning, \(scenario.replay)")
          }
        case "C":
          for (key, value) in try #require(event["args"] as? [String: Int]) {
            #expect(value >= 0, "\(key) \(scenario.replay)")
          }
        default: Issue.record("unknown phase \(phase)")
        }
      }
      #expect(open.isEmpty, "\(open) never end, \(scenario.replay)")
      for ends in flows.values where ends.contains("in") {
        #expect(ends.contains("out"), "an arrow has a beginning, \(scenario.replay)")
        arrows += 1
      }
      for (_, steps) in slices {
        let sorted = steps.sorted { ($0.start, $0.end) < ($1.start, $1.end) }
        for (a, b) in zip(sorted, sorted.dropFirst()) {
          #expect(a.end <= b.start, "steps of an instance overlap, \(scenario.replay)")
        }
      }
    }
    #expect(policy == "vllm-m" || arrows > 10, "lending is seen as arrows")
  }
}
