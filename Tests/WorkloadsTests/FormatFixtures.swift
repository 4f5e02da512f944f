import Foundation

import Workloads

/// A small good file of every format.
enum FormatFixtures {
  static let texts: [(format: String, text: String)] = [
    ("plain", "arrival_s,input_tokens,output_tokens\n0,374,44\n4.314579,396,109\n5,12,7\n"),
    (
      "plain-jsonl",
      """
      {"arrival_s": 0, "input_tokens": 20, "output_tokens": 5, "session": 3, "hash_ids": [1, 2], "block_tokens": 16}
      {"arrival_s": 1.5, "input_tokens": 33, "output_tokens": 6, "class": "chat"}

      """
    ),
    (
      "azure-2023",
      "TIMESTAMP,ContextTokens,GeneratedTokens\r\n2023-11-16 18:15:46.6805900,374,44\r\n"
        + "2023-11-16 18:15:50.9951690,396,109\r\n"
    ),
    (
      "azure-2024",
      "TIMESTAMP,ContextTokens,GeneratedTokens\n2024-05-10 00:00:00.009930+00:00,2162,5\n"
        + "2024-05-10 00:00:01+00:00,2399,6\n"
    ),
    (
      "mooncake",
      """
      {"timestamp": 0, "input_length": 1000, "output_length": 52, "hash_ids": [46, 47]}
      {"timestamp": 3000, "input_length": 513, "output_length": 26, "hash_ids": [46, 2353]}

      """
    ),
    (
      "burstgpt",
      "Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type\n"
        + "5,ChatGPT,472,18,490,Conversation log\n45,GPT-4,1087,230,1317,API log\n"
    ),
    (
      "vidur",
      "arrived_at,num_prefill_tokens,num_decode_tokens\n0.0,374,44\n4.314579,396,109\n"
    ),
    (
      "servegen", "arrival_s,input_tokens,output_tokens,client\n0.1453,287,123,95\n0.7189,662,3,143\n"
    ),
    (
      "bailian",
      """
      {"chat_id": 159, "parent_chat_id": -1, "timestamp": 61.114, "input_length": 33, "output_length": 132, \
      "type": "text", "turn": 1, "hash_ids": [1089, 1090, 1091]}
      {"chat_id": 160, "parent_chat_id": 159, "timestamp": 62, "input_length": 16, "output_length": 2, \
      "type": "search", "turn": 2, "hash_ids": [1089]}

      """
    ),
    (
      "agentic",
      """
      session,agent,t_s,type,model,in_tokens,out_tokens,hash_blocks,prefix_hit_blocks,api_time_s,think_time_s
      trace_1,main,0.0,n,opus,71175,169,1112,0,7.34,0.0
      trace_1,main,19.0,n,opus,72762,296,1136,1112,9.19,12.0
      trace_1,main/a,0.0,s,opus,9000,3,140,139,,
      trace_2,main,3.5,n,opus,100,3,1,0,1,0

      """
    ),
    ("lengths", "input_tokens,output_tokens\n10,20\n30,40\n"),
    (
      "vidur-lengths",
      "num_prefill_tokens,num_decode_tokens,num_total_tokens,pd_ratio\n74,918,992,0.08\n290,905,1195,0.32\n"
    ),
    (
      "narrativeqa",
      "document_id,set,kind,story_word_count,story_file_size_bytes\nab,test,movie,11499,54078\nac,train,movie,10,9\n"
    ),
    (
      "longbench",
      "task,type,metric,avg_len_words_or_zh_chars,language,samples\nHotpotQA,Multi-doc QA,F1,9151,EN,200\n"
        + "LCC,Code,Edit Sim,1235,Python/C#/Java,500\n"
    ),
    (
      "infinitebench",
      "task,examples,avg_input_tokens,avg_output_tokens\nEn.QA,351,192600,4.8\nZh.QA,175,2068600,6.3\n"
    ),
    (
      "sharegpt",
      """
      [{"id": "a", "conversations": [
        {"from": "human", "value": "twelve chars"}, {"from": "gpt", "value": "four"},
        {"from": "human", "value": "\\u00fc!"}, {"from": "gpt", "value": "中文"}]},
       {"id": "b", "conversations": [{"from": "human", "tokens": 7}, {"from": "gpt", "value": "", "tokens": 9}]}]

      """
    ),
  ]

  static func text(_ format: String) -> String { texts.first { $0.format == format }?.text ?? "" }

  static let pool = (
    trace: "0,0.05,1.5,Gamma,0.44,45.0\n600,0,0,,0,0\n1200,0.1,1,Weibull,1.2,10.0\n",
    dataset: """
    {
      "0": {"input_tokens": "{}", "output_tokens": "{}"},
      "1200": {"input_tokens": "{143: 0.25, 148: 0.75}", "output_tokens": "{3: 1.0}"}
    }

    """
  )

  /// Writes the fixture of `format` and returns its path.
  static func write(_ format: String, in scratch: Scratch) throws -> String {
    guard format == "servegen-pool" else { return try scratch.file(text(format), named: format) }
    let folder = scratch.folder + "/pool"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    _ = try scratch.file(pool.trace, named: "pool/chunk-7-trace.csv")
    _ = try scratch.file(pool.dataset, named: "pool/chunk-7-dataset.json")
    return folder
  }

  /// Options that name `format`, lenient where it needs that.
  static func options(_ format: String?, lenient: Bool = false) -> TraceOptions {
    var options = TraceOptions.unchanged
    options.format = format
    let isApproximate = format.flatMap { TraceFormat.named($0) }?.approximation != nil
    options.isLenient = lenient || isApproximate
    options.keepsDetails = true
    return options
  }
}
