import Foundation
import Results
import Sim
import Storage
import Testing

import Runs
import Storage
import infinite_sim

/// A wrong answer of a policy travels as the error of its run.
@Suite struct PolicyErrorTests {
  private static let error = PolicyError(
    policy: "liar", answer: .route(RequestID(7), to: InstanceID(-1)), law: .routeExists, found: "instance -1",
    expected: "0 to 1", time: .zero)

  @Test
  func `It ends a command with exit code 1, and the database keeps its sentence and nothing else of the run`()
    throws
  {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let store = try ResultStore.open(folder.appendingPathComponent("runs.db").path)
    var plan = fakePlan("liar", rate: 1)
    let simulate = plan.simulate
    plan.simulate = { source, observer, progress in
      _ = try simulate(source, observer, progress)
      throw Self.error
    }
    let thrown = #expect(throws: PolicyError.self) {
      _ = try quietExecutor(store: store).execute(plan, on: fakeWorkload(prompts: [10, 20]))
    }
    let error = try #require(thrown)
    #expect(error == Self.error && FailureStatus(error) == .runFailed)
    let text =
      "policy liar: at 0 ps it routed request 7 to instance -1, but a request is routed to an instance of the cluster: "
      + "found instance -1, expected 0 to 1"
    #expect("\(error)" == text)
    let runs = try store.runs()
    guard runs.count == 1, case .failed(let kept) = runs[0].status else {
      Issue.record("not one failed run: \(runs)")
      return
    }
    #expect(kept == text)
    #expect(try store.requests(run: runs[0].id).isEmpty)
  }
}
