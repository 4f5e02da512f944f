nonisolated(unsafe) public var debugTrace = false
extension SimulationState {
  func debugDump(_ i: Int, _ run: StepRun) {
    var d: [Int] = []
    var hl: [String] = []
    do { var s = instances[i].batch.head
    while s >= 0 { if run.decodes { d.append(requests[Int(s)].id) }; if requests[Int(s)].hostedBlocks > 0 { hl.append("\(requests[Int(s)].id):\(requests[Int(s)].hostedBlocks)") }; s = requests[Int(s)].next } }
    print("D", now, i, run.first, d, instances[i].chunks.map { (requests[Int($0.slot)].id, $0.cached, $0.tokens) }, instances[i].queue.count, usableBlocks - instances[i].usedBlocks - (run.decodes ? growth(of: i, steps: 1) : 0), instances[i].hostedBlocks, hl.joined(separator: ","), run.count > 1 ? "x\(run.count) +\(run.increment)" : "")
  }
}
