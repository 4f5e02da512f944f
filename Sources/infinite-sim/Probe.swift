import Sim
import Policies
import Workloads
@main struct P {
  static func main() throws {
    let args = CommandLine.arguments
    let instances = Int(args[2])!
    let hw = HardwareCatalog.a100Measured
    let shape = InstanceShape(tp: 1, pp: 1)
    var e = EngineOptions()
    e.maxNumSeqs = 128; e.maxNumBatchedTokens = 4096
    e.stepByStep = args.contains("--step")
    if args.contains("chunked") { e.kind = .chunked; e.maxNumBatchedTokens = 2048 }
    let costs = try InstanceCosts(model: ModelCatalog.llama7B, hardware: hw, shape: shape, wiring: .inOneNode(hw))
    let topo = InstanceTopology(nodeOfInstance: (0..<instances).map { $0 / 8 }, withinNode: hw.inNodeLink.costs, acrossNodes: hw.interNodeLink.costs, gpus: instances)
    let c = SimulationConfiguration(topology: topo, costs: costs, blocksPerInstance: 7424, engine: e)
    let f = try TraceFile.open(path: args[1])
    let all = try f.all()
    var pol: any SchedulingPolicy = VLLMMultiple(router: .roundRobin)
    if args.contains("dc") { var l = LendingOptions(); l.mode = .proactive; pol = DebtorCreditor(router: .roundRobin, lending: l) }
    for _ in 0..<5 {
      let clock = ContinuousClock()
      let t = clock.now
      let s = try Simulation(c, policy: pol).run(ArraySource(all))
      print(clock.now - t, s.fingerprint, s.completed, s.preemptions, s.makespanSeconds, s.steps, s.events, s.decodeSteps, s.decodeRuns, s.load, s.ttft.mean, s.tpot.mean, s.borrowedBlocksPeak, s.movedBlocks, s.peakUtilisation, s.worstStallSeconds)
      if args.contains("once") { break }
    }
  }
}
