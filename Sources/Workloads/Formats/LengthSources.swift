/// Sources of lengths without arrivals: `TraceOptions.arrivals` gives them.
extension TraceFormat {
  /// Pairs of lengths under this project's names.
  package static let lengths = TraceFormat(
    name: "lengths", summary: "lengths without arrivals (CSV)", grammar: .csv,
    columns: [Column("input_tokens", .prompt), Column("output_tokens", .output)],
    times: .none)

  /// Pairs of lengths as Vidur and Etalon prepare them.
  ///
  /// Source: https://github.com/project-etalon/etalon, `data/processed_traces`.
  static let vidurLengths = TraceFormat(
    name: "vidur-lengths", summary: "lengths as Vidur and Etalon write them (CSV)", grammar: .csv,
    columns: [
      Column("num_prefill_tokens", .prompt), Column("num_decode_tokens", .output),
      Column("num_total_tokens", .total, required: false),
      Column("pd_ratio", .ignored, required: false),
    ],
    times: .none)

  /// NarrativeQA's stories: words, no outputs. Read with `--lenient` only.
  ///
  /// Source: https://github.com/google-deepmind/narrativeqa, `documents.csv`.
  static let storyLengths = TraceFormat(
    name: "narrativeqa", summary: "NarrativeQA's stories, in words (CSV)", grammar: .csv,
    columns: [
      Column("document_id", .ignored, filler: "0"), Column("story_word_count", .prompt),
    ]
      + ignored(
        "set", "kind", "story_url", "story_file_size", "story_file_size_bytes", "wiki_url", "wiki_title",
        "story_start", "story_end"),
    times: .none, unit: .words)

  /// LongBench's tasks: average words, no outputs. Read with `--lenient` only.
  ///
  /// Source: https://github.com/THUDM/LongBench, `README.md`.
  static let taskWords = TraceFormat(
    name: "longbench", summary: "LongBench's tasks, average words (CSV)", grammar: .csv,
    columns: [Column("task", .label), Column("avg_len_words_or_zh_chars", .prompt)]
      + ignored("type", "metric", "language", "samples"),
    times: .none, unit: .words)

  /// InfiniteBench's tasks: average tokens. Read with `--lenient` only.
  ///
  /// Source: https://github.com/OpenBMB/InfiniteBench, `README.md`.
  static let taskTokens = TraceFormat(
    name: "infinitebench", summary: "InfiniteBench's tasks, average tokens (CSV)", grammar: .csv,
    columns: [
      Column("task", .label), Column("avg_input_tokens", .prompt), Column("avg_output_tokens", .output),
    ] + ignored("examples"),
    times: .none, unit: .averages)

  /// Columns that the source documents and nothing here needs.
  private static func ignored(_ names: String...) -> [Column] {
    names.map { Column($0, .ignored, required: false) }
  }
}
