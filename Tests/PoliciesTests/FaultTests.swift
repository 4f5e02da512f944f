import Policies
import Sim
import TestSupport
import Testing
import Torture

/// Laws of clusters that fail (docs/faults.md).
@Suite struct FaultTests {
  @Test(arguments: [
    // Found after a million scenarios: a theft changed the head of the queue, and other thieves did not look again.
    (UInt64(952_640), "pooled")
  ])
  func `Seeds that torture has found`(seed: UInt64, policy: String) throws {
    _ = try Torture.check(Torture.scenario(seed: seed, policy: policy), alsoStepByStep: true)
  }

  @Test func `A random fault is a function of its address`() throws {
    let seconds = SimDuration.seconds(1)
    let crash = RandomFault(.crash(InstanceID(0)), meanBetween: seconds, meanRepair: seconds)
    let other = RandomFault(.managerCrash, meanBetween: seconds, meanRepair: seconds)
    func crashes(_ faults: [RandomFault]) throws -> [FaultRecord] {
      final class Recorder: RunObserver {
        var records: [FaultRecord] = []
        func requestEnded(_ record: RequestRecord) {}
        func faulted(_ fault: FaultRecord) { records.append(fault) }
      }
      var configuration = ScenarioGenerator(engine: .vllmV0, lending: false).scenario(seed: 1).configuration
      configuration.topology.nodeOfInstance = [0, 0]
      configuration.faults = FaultPlan(random: faults, seed: 3)
      let recorder = Recorder()
      let requests = (0..<20).map {
        TraceRequest(arrival: SimTime(picoseconds: Int64($0) * 1_000_000_000_000), prompt: 4, output: 2)
      }
      _ = try Simulation(
        configuration, policy: VLLMMultiple(router: .leastLoaded), observer: recorder
      ).run(ArraySource(requests))
      return recorder.records.filter { $0.fault == .crash(InstanceID(0)) }
    }
    let alone = try crashes([crash])
    #expect(alone.count > 4)
    #expect(try crashes([other, crash]) == alone)
  }

  @Test func `random faults that come too often end the run with an error that names them`() throws {
    let (rare, often) = (SimDuration.seconds(1), SimDuration(picoseconds: 1_000))
    var configuration = ScenarioGenerator(engine: .vllmV0, lending: false).scenario(seed: 1).configuration
    configuration.faults = FaultPlan(random: [
      RandomFault(.crash(InstanceID(0)), meanBetween: rare, meanRepair: rare),
      RandomFault(.straggler(InstanceID(0), permille: 2_000), meanBetween: often, meanRepair: often),
    ])
    let last = SimTime(picoseconds: 1_000_000_000_000_000)
    let requests = [SimTime.zero, last].map { TraceRequest(arrival: $0, prompt: 4, output: 2) }
    let simulation = try Simulation(configuration, policy: VLLMMultiple(router: .leastLoaded))
    let error = #expect(throws: SimulationError.self) { _ = try simulation.run(ArraySource(requests)) }
    guard case .tooManyFaults(let most, let begins, let time) = error else {
      Issue.record("\(String(describing: error))")
      return
    }
    #expect(most.fault == .straggler(InstanceID(0), permille: 2_000))
    #expect(begins == FaultPlan.mostRandomFaults + 1 && time < last)
    #expect(error?.description.contains("straggler (instance 0)") == true)
  }
}
