extension TraceFormat {
  /// Sessions of coding agents: each agent of a session sends one request after another, with think times.
  ///
  /// `t_s` counts from the start of the agent's work, so sessions start where `TraceOptions.arrivals` puts
  /// them, or all at once. `api_time_s` is what the recorded service took and is never read.
  ///
  /// Source: the derived table of https://github.com/callanjfox/kv-cache-tester.
  static let agentic = TraceFormat(
    name: "agentic", summary: "sessions of coding agents (CSV)", grammar: .csv,
    columns: [
      Column("session", .session), Column("agent", .agent), Column("t_s", .arrival),
      Column("type", .ignored, required: false, filler: "n"),
      Column("model", .label, required: false),
      Column("in_tokens", .prompt), Column("out_tokens", .output), Column("hash_blocks", .hashBlocks),
      Column("prefix_hit_blocks", .hitBlocks), Column("api_time_s", .ignored, required: false),
      Column("think_time_s", .think),
    ],
    times: .perSession, blockTokens: 64)
}
