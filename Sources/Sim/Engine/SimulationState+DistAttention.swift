/// DistAttention's time: queries out, partial attention at the hosts, (MA, m, e) back, merge.
extension SimulationState {
  /// Work per host, gathered over the borrowers of one lane.
  struct HostWork {
    var host: Int
    var requests: Int
    var tokens: Int
    /// The most of one request.
    var longest: Int
  }

  /// Recomputes the remote paths of an instance after a change of its batch or of a placement.
  ///
  /// Per stage, the home sends each borrower's query to each of its hosts, layer by layer, and waits for the
  /// slowest host: latency there and back, the bytes, the kernel's launch floor, and the hosted tokens at the
  /// host's attention rate.
  mutating func refreshRemotePaths(of i: Int) {
    instances[i].epochDue = true
    for lane in 0..<laneCount {
      if instances[i].borrowers > 0 {
        gatherWork(of: i, lane: lane)
      } else {
        while hostWork.popLast() != nil {}
      }
      var slowest: Int64 = 0
      var partials = 0
      for item in hostWork {
        slowest = max(slowest, remotePath(from: i, item))
        partials += item.requests
      }
      lanes[i * laneCount + lane].remotePath = slowest
      lanes[i * laneCount + lane].merge =
        partials == 0 ? 0 : costs.mergeFloor + costs.mergePerPartial * Int64(partials)
    }
  }

  /// What the borrowers of a lane ask of each of its hosts, in `hostWork`.
  mutating func gatherWork(of i: Int, lane: Int) {
    while hostWork.popLast() != nil {}
    var slot = instances[i].batch.head
    while slot >= 0 {
      let s = Int(slot)
      slot = requests[s].next
      guard requests[s].isBorrower, requests[s].lane == lane else { continue }
      var loan = requests[s].firstLoan
      while loan >= 0 {
        let piece = loans[Int(loan)]
        loan = piece.next
        guard piece.blocks > 0 else { continue }
        let tokens = piece.blocks * blockSize
        if let index = hostWork.firstIndex(where: { $0.host == piece.host }) {
          hostWork[index].requests += 1
          hostWork[index].tokens += tokens
          hostWork[index].longest = max(hostWork[index].longest, tokens)
        } else {
          hostWork.append(HostWork(host: piece.host, requests: 1, tokens: tokens, longest: tokens))
        }
      }
    }
  }

  private func remotePath(from i: Int, _ work: HostWork) -> Int64 {
    costs.remotePath(
      over: exchangeLink(i, work.host), queries: work.requests, tokens: work.tokens)
  }

  /// Attention of a prefill chunk whose request has hosts, beyond its launch, ps per stage, and the longest context that
  /// one of its tokens meets at home.
  ///
  /// `distributed`: each host of earlier blocks computes its part, one chunk after the other if several homes ask, beside the
  /// home's `linear` work, and a busy one pays for it in its next step as well. What the home has `owed` itself it computes
  /// while it waits for its hosts. Under `contended` coupling hosts are waited for and pay as in decode steps.
  /// `home`: the home computes everything. In both the chunk's hosted keys and values are streamed out.
  mutating func spreadAttention(
    _ chunk: PrefillChunk, owed: Int64, linear: Int64
  ) -> (work: Int128, reach: Int) {
    let slot = Int(chunk.slot)
    let i = requests[slot].home
    let hosted = requests[slot].hostedBlocks
    let cachedRemote = hostedTokens(of: slot, computed: chunk.cached)
    let newRemote = hostedTokens(of: slot, computed: chunk.cached + chunk.tokens) - cachedRemote
    let x = Int128(chunk.tokens)
    let rate = Int128(costs.prefillPairRate)
    let distributed = options.prefillAttention == .distributed
    let cachedAtHome = distributed ? chunk.cached - cachedRemote : chunk.cached
    let owedPerStage = (Int128(owed) + Int128(laneCount) - 1) / Int128(laneCount)
    let atHome = rate * (x * Int128(cachedAtHome) + x * (x + 1) / 2)
    var longest = atHome + owedPerStage
    var loan = requests[slot].firstLoan
    while loan >= 0 {
      let piece = loans[Int(loan)]
      loan = piece.next
      guard piece.blocks > 0 else { continue }
      let link = exchangeLink(i, piece.host)
      let cached = cachedRemote * piece.blocks / hosted
      if distributed, cached > 0, contends {
        let path = contendedPath(
          from: i, to: piece.host, exchange: costs.exchange(over: link, queries: chunk.tokens),
          work: inRange(Int128(costs.prefillFloor) + rate * x * Int128(cached)), linear: linear,
          attention: inRange(atHome) / Int64(costs.layersPerStage))
        longest = max(longest, Int128(path))
      } else if distributed, cached > 0 {
        let work = rate * x * Int128(cached)
        let exchange = Int128(costs.exchange(over: link, queries: chunk.tokens))
        let wait = queue(work, at: piece.host)
        longest = max(longest, max(0, wait - Int128(linear)) + exchange + Int128(costs.prefillFloor) + work)
        touch(piece.host)
        if instances[piece.host].isBusy { instances[piece.host].owed += inRange(Int128(laneCount) * work) }
      }
      let written = (newRemote * piece.blocks + hosted - 1) / hosted
      if written > 0 {
        let wire = link.latency + link.transfer(bytes: written * costs.kvBytesPerTokenPerStage)
        longest = max(longest, Int128(wire))
      }
    }
    if contends {
      ownAttention += atHome
      waitForHosts += longest - atHome
    }
    return (Int128(costs.prefillTokenRate) * x + longest, cachedAtHome + chunk.tokens)
  }

  /// Of the first `computed` tokens of a prompt, those that lie on hosts.
  private func hostedTokens(of slot: Int, computed: Int) -> Int {
    let local = requests[slot].localBlocks
    guard requests[slot].isBalanced else { return max(0, computed - local * blockSize) }
    return computed - computed * local / (local + requests[slot].hostedBlocks)
  }

  /// A host computes the parts of other homes' prompts first come, first served (docs/decisions/0011). Returns how long
  /// `work`, ps per stage, waits there for those before it, ps per stage.
  private mutating func queue(_ work: Int128, at host: Int) -> Int128 {
    let begin = max(now, instances[host].servesUntil)
    let (end, isBeyond) = begin.addingReportingOverflow(inRange(Int128(laneCount) * work))
    instances[host].servesUntil = isBeyond ? .max : end
    return (Int128(begin - now) + Int128(laneCount) - 1) / Int128(laneCount)
  }
}
