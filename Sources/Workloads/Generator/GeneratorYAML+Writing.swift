extension GeneratorYAML {
  /// The text from which `read` gives `spec` back. Numbers are written in full.
  public static func text(_ spec: WorkloadSpec) -> String {
    var out = "seed: \(spec.seed)\n"
    if let requests = spec.requests { out += "requests: \(requests)\n" }
    if let duration = spec.duration { out += "duration_s: \(duration)\n" }
    out += "classes:\n"
    for kind in spec.classes {
      out += "  - name: \(quoted(kind.name))\n"
      out += "    arrivals: \(source(kind.source))\n"
      out += "    prompt: \(distribution(kind.prompt))\n"
      out += "    output: \(distribution(kind.output))\n"
      if kind.correlation != 0 { out += "    correlation: \(kind.correlation)\n" }
      let bounds = [("ttft_s", kind.slo.ttftSeconds), ("tpot_s", kind.slo.tpotSeconds)]
        .compactMap { name, value in value.map { "\(name): \($0)" } }
      if !bounds.isEmpty { out += "    slo: {\(bounds.joined(separator: ", "))}\n" }
      if let talk = kind.sessions {
        out +=
          "    sessions: {turns: \(distribution(talk.turns)), think_s: \(distribution(talk.think)), "
          + "service_s: \(talk.service), max_prompt: \(talk.maximumPrompt)}\n"
      }
    }
    return out
  }

  private static func quoted(_ name: String) -> String {
    "\"" + name.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"") + "\""
  }

  private static func source(_ source: RequestClass.Source) -> String {
    switch source {
    case .closed(let users, let think, let service):
      return "{process: closed-loop, users: \(users), think_s: \(distribution(think)), service_s: \(service)}"
    case .open(let process):
      let gaps =
        switch process.gaps {
        case .exponential: "poisson"
        case .fixed: "fixed"
        case .gamma(let cv): "gamma, cv: \(cv)"
        case .weibull(let shape): "weibull, shape: \(shape)"
        }
      let quantum = process.quantum > 0 ? ", quantum_s: \(process.quantum)" : ""
      let pattern: String
      switch process.pattern {
      case .together: return "{process: together}"
      case .constant(let rate): pattern = "rate: \(rate)"
      case .onOff(let onRate, let offRate, let on, let off):
        pattern = "on_off: {on_rate: \(onRate), off_rate: \(offRate), on_s: \(on), off_s: \(off)}"
      case .diurnal(let rate, let amplitude, let period):
        pattern = "diurnal: {rate: \(rate), amplitude: \(amplitude), period_s: \(period)}"
      case .steps(let steps):
        pattern = "steps: [\(steps.map { "{at_s: \($0.start), rate: \($0.rate)}" }.joined(separator: ", "))]"
      case .ramp(let first, let last, let span):
        pattern = "ramp: {from: \(first), to: \(last), over_s: \(span)}"
      case .modulated(let rate, let scales):
        let list = scales.map { "{every_s: \($0.seconds), cv: \($0.cv)}" }.joined(separator: ", ")
        pattern = "modulated: {rate: \(rate), scales: [\(list)]}"
      }
      return "{process: \(gaps), \(pattern)\(quantum)}"
    }
  }

  private static func distribution(_ distribution: LengthDistribution, extra: String = "") -> String {
    func text(_ kind: String, _ rest: String) -> String { "{\(extra)kind: \(kind)\(rest)}" }
    switch distribution {
    case .fixed(let value): return text("fixed", ", value: \(value)")
    case .uniform(let low, let high): return text("uniform", ", min: \(low), max: \(high)")
    case .logUniform(let low, let high): return text("log-uniform", ", min: \(low), max: \(high)")
    case .lognormal(let median, let sigma): return text("lognormal", ", median: \(median), sigma: \(sigma)")
    case .exponential(let mean): return text("exponential", ", mean: \(mean)")
    case .zipf(let table):
      return text(
        "zipf",
        ", exponent: \(table.exponent), min: \(table.first), max: \(table.first + table.cumulative.count - 1)"
      )
    case .pareto(let minimum, let alpha): return text("pareto", ", alpha: \(alpha), min: \(minimum)")
    case .quantiles(let points):
      let list = points.map { "[\($0.share), \($0.value)]" }.joined(separator: ", ")
      return text("quantiles", ", points: [\(list)]")
    case .mixture(let components):
      let list = components.map { self.distribution($0.distribution, extra: "weight: \($0.weight), ") }
      return text("mixture", ", of: [\(list.joined(separator: ", "))]")
    case .clamped(.pareto(let minimum, let alpha), let low, let high) where low == minimum:
      return text("pareto", ", alpha: \(alpha), min: \(minimum), max: \(high)")
    case .clamped(let base, let low, let high):
      let inner = self.distribution(base, extra: extra)
      return inner.dropLast() + ", min: \(low), max: \(high)}"
    }
  }
}
