extension TraceFormat {
  /// ShareGPT: a JSON array of conversations `{"id", "conversations": [{"from", "value"}]}`. Every turn of
  /// the model (`gpt`, `chatgpt`, `bard`, `bing`, `assistant`) is a request whose prompt is all text before it.
  ///
  /// Source: the layout of `ShareGPT_V3_unfiltered_cleaned_split.json`, as serving benchmarks read it.
  static let shareGPT = TraceFormat(
    name: "sharegpt", summary: "ShareGPT's conversations (JSON)", grammar: .conversations,
    columns: [
      Column("conversations", .ignored), Column("id", .ignored, required: false),
      Column("system", .ignored, required: false),
      Column("tools", .ignored, required: false),
    ], times: .none)
}
