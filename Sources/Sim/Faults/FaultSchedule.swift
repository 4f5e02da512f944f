/// The faults of a plan as they come: each has one next event, its beginning or its end.
///
/// Random faults are drawn as they are needed: beginning k and end k are draws 2k and 2k + 1 of their stream, so the
/// schedule is a function of the plan alone.
struct FaultSchedule: ~Copyable {
  struct Entry {
    var fault: Fault
    var next: Int64
    var isActive = false
    var end: Int64 = .max
    var random: RandomFault?
    var ordinal = 0
  }

  private var entries: ContiguousArray<Entry> = []
  private var due: WinnerTree
  private let seed: UInt64
  /// How often random faults have begun.
  private(set) var randomBegins = 0
  /// Faults that last now.
  private(set) var activeCount = 0
  /// Of these, the losses and slow-downs of links, in thousandths; 0 for a loss.
  private(set) var links: ContiguousArray<(ends: LinkEnds, permille: Int64)> = []

  init(_ plan: FaultPlan) {
    seed = plan.seed
    due = WinnerTree(count: max(1, plan.timed.count + plan.random.count))
    for timed in plan.timed {
      entries.append(
        Entry(fault: timed.fault, next: timed.start.picoseconds, end: timed.end?.picoseconds ?? .max))
    }
    for random in plan.random {
      entries.append(Entry(fault: random.fault, next: 0, random: random))
      entries[entries.count - 1].next = next(entries[entries.count - 1], after: 0)
    }
    for index in 0..<entries.count { due.set(index, to: entries[index].next) }
  }

  /// When the next fault begins or ends, `.max` if none does.
  var nextTime: Int64 { due.earliestTime }

  /// Takes the next event; ties go to the order of the plan.
  mutating func takeNext() -> (fault: Fault, begins: Bool) {
    let index = due.earliestInstance
    let begins = !entries[index].isActive
    entries[index].isActive = begins
    activeCount += begins ? 1 : -1
    let time = entries[index].next
    entries[index].ordinal += 1
    if entries[index].random != nil {
      if begins { randomBegins += 1 }
      entries[index].next = next(entries[index], after: time)
    } else {
      entries[index].next = begins ? entries[index].end : .max
    }
    due.set(index, to: entries[index].next)
    let fault = entries[index].fault
    switch fault {
    case .linkLoss, .linkSlowdown: refreshLinks()
    default: break
    }
    return (fault, begins)
  }

  /// The random fault that has begun most often, and how often.
  var mostFrequent: (fault: RandomFault, begins: Int)? {
    entries.compactMap { entry in entry.random.map { (fault: $0, begins: (entry.ordinal + 1) / 2) } }
      .max { $0.begins < $1.begins }
  }

  private func next(_ entry: Entry, after time: Int64) -> Int64 {
    guard let random = entry.random else { return .max }
    let mean = entry.isActive ? random.meanRepair : random.meanBetween
    let stream = RandomStream(seed: seed, name: "fault/\(random.fault.name)")
    let ordinal = entry.ordinal
    let unit = stream.unit(entity: random.fault.entity, ordinal: ordinal)
    // Whole nanoseconds, as everything that comes of a logarithm (semantics.md 6).
    let nanoseconds = max(1, (-Elementary.ln(unit) * Double(mean.picoseconds) / 1_000).rounded())
    guard nanoseconds < 9e15 else { return .max }
    let (next, isBeyond) = time.addingReportingOverflow(Int64(nanoseconds) * 1_000)
    if isBeyond { return .max }
    if !entry.isActive, let last = random.last, next > last.picoseconds { return .max }
    return next
  }

  private mutating func refreshLinks() {
    links.removeAll(keepingCapacity: true)
    for index in 0..<entries.count where entries[index].isActive {
      switch entries[index].fault {
      case .linkLoss(let ends): links.append((ends, 0))
      case .linkSlowdown(let ends, let permille): links.append((ends, Int64(permille)))
      default: break
      }
    }
  }

  // MARK: - What is wrong now

  /// The worst of `value` over the faults that last now.
  private func active<Value>(_ initial: Value, _ combine: (Value, Fault) -> Value) -> Value {
    var value = initial
    for index in 0..<entries.count where entries[index].isActive {
      value = combine(value, entries[index].fault)
    }
    return value
  }

  func isDown(_ instance: Int, nodes: ClosedRange<Int>) -> Bool {
    active(false) { isDown, fault in
      switch fault {
      case .crash(let id): isDown || id.index == instance
      case .nodeLoss(let node): isDown || nodes.contains(node)
      default: isDown
      }
    }
  }

  func shrink(of instance: Int) -> Int {
    active(0) { blocks, fault in
      if case .memoryShrink(let id, let lost) = fault, id.index == instance { blocks + lost } else { blocks }
    }
  }

  func straggle(of instance: Int) -> Int64 {
    active(1_000) { permille, fault in
      if case .straggler(let id, let factor) = fault, id.index == instance {
        max(permille, Int64(factor))
      } else {
        permille
      }
    }
  }

  var isManagerDown: Bool {
    active(false) { isDown, fault in if case .managerCrash = fault { true } else { isDown } }
  }

  /// Whether a fault that takes memory away will end.
  var isRecoveryPending: Bool {
    for index in 0..<entries.count where entries[index].isActive && entries[index].next < .max {
      switch entries[index].fault {
      case .crash, .nodeLoss, .linkLoss, .memoryShrink: return true
      case .linkSlowdown, .managerCrash, .straggler: continue
      }
    }
    return false
  }

  /// Thousandths of their time that messages from one node to another take now; 0 if they are lost.
  func permille(from a: Int, to b: Int) -> Int64 {
    var worst: Int64 = 1_000
    for link in links where link.ends.carries(a, b) {
      if link.permille == 0 { return 0 }
      worst = max(worst, link.permille)
    }
    return worst
  }
}

extension Fault {
  /// Whose draws these are.
  fileprivate var entity: Int {
    switch self {
    case .crash(let instance), .straggler(let instance, _), .memoryShrink(let instance, _): instance.index
    case .nodeLoss(let node): node
    case .linkLoss(let ends), .linkSlowdown(let ends, _): ends.from << 20 + (ends.to ?? -1) + 1
    case .managerCrash: 0
    }
  }
}
