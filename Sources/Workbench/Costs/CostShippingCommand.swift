import Runs
import Formatting
import ArgumentParser
import Results
import Sim

/// `infinite-sim cost shipping`: sending the query to the keys and values, or they to it.
struct CostShippingCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "shipping",
    abstract: "Ship the query or ship the KV cache: one layer, beside the paper's table.",
    discussion: """
      Set-up: one decode step of one request in one layer, its KV cache in equal parts on --gpus GPUs of a node: its \
      home and the hosts. Ship query: query out, partial attention everywhere, partial results back, merge. Ship KV: \
      the movement of the hosts' parts to the home alone. The paper's set-up is not known; with four GPUs its \
      largest entry would take more than the data sheet's memory bandwidth, with five it does not.
      """)

  @Option(help: "Model preset, or the path of a Hugging Face config.json.")
  var model = "llama2-13b"
  @Option(help: "Hardware profile, or the path of a YAML file; see `infinite-sim hardware`.")
  var hardware = "a100-measured"
  @Option(help: "GPUs that hold a part of the cache, the home among them.")
  var gpus = 5
  @Option(help: ArgumentHelp("Link between them; see `infinite-sim hardware`. (default: the node's)"))
  var link: String?
  @Option(
    help: ArgumentHelp("Decode attention: flashinfer, flash-attention or no-split. (default: the profile's)"))
  var decodeKernel: DecodeKernel?
  @Flag(help: "Print JSON.")
  var json = false

  /// Context, ms to ship the query, ms to ship the cache: Infinite-LLM (arXiv 2401.02669) for LLaMA2-13B, as a
  /// third-party note gives it.
  static let published = [(8_192, 0.075, 0.581), (32_768, 0.12, 1.98), (131_072, 0.36, 7.48)]

  mutating func validate() throws {
    guard (2...64).contains(gpus) else { throw ValidationError("--gpus is \(gpus), expected 2 to 64.") }
  }

  func run() throws {
    let (model, _) = try Machine.model(model, kvType: .model)
    let hardware = try Machine.hardware(hardware)
    let costs = try link.map { try Machine.link($0).costs }
    func remote(_ gpus: Int) -> RemoteAttention {
      RemoteAttention(model: model, hardware: hardware, gpus: gpus, kernel: decodeKernel, link: costs)
    }
    let rows = Self.published.map { context, query, cache in
      let way = remote(gpus)
      return ShippingRow(
        context: context, query: way.dist(context: context), cache: way.shipCache(context: context),
        publishedQuery: query * 1e3, publishedCache: cache * 1e3,
        implied: way.impliedBandwidth(context: context, microseconds: query * 1e3))
    }
    if json {
      try writeToStandardOutput(JSON.array(rows.map(\.json)).prettyText)
      return
    }
    var table = [
      [
        "context", "ship query, ms", "paper", "error", "ship KV, ms", "paper", "error", "ratio", "paper",
        "implied GB/s",
      ]
    ]
    table += rows.map(\.cells)
    var text = "\(model.name), one layer, one request, \(hardware.name), KV cache on \(gpus) GPUs\n\n"
    text += markdownTable(table)
    text += "\nImplied: what every GPU must read its part at for the paper's time, beyond the latencies; "
    text += "the data sheet has \(figure(Roofline(of: hardware).bytesPerSecond / 1e9)).\n\n"
    var others = [["GPUs", "worst error, ship query", "worst error, ship KV", "implied GB/s of the largest"]]
    for count in 2...8 {
      let way = remote(count)
      let errors = Self.published.map { context, query, cache in
        (way.dist(context: context) / query / 1e3 - 1, way.shipCache(context: context) / cache / 1e3 - 1)
      }
      others.append([
        "\(count)", percent(errors.map { abs($0.0) }.max() ?? 0),
        percent(errors.map { abs($0.1) }.max() ?? 0),
        figure(way.impliedBandwidth(context: 131_072, microseconds: 360) / 1e9),
      ])
    }
    try writeToStandardOutput(text + markdownTable(others))
  }
}

/// One context of the table, µs.
struct ShippingRow {
  var context: Int
  var query: Double
  var cache: Double
  var publishedQuery: Double
  var publishedCache: Double
  var implied: Double

  var cells: [String] {
    [
      grouped(context), figure(query / 1e3), figure(publishedQuery / 1e3),
      percent(query / publishedQuery - 1),
      figure(cache / 1e3), figure(publishedCache / 1e3), percent(cache / publishedCache - 1),
      figure(cache / query), figure(publishedCache / publishedQuery), figure(implied / 1e9),
    ]
  }

  var json: JSON {
    [
      "context": .int(context), "ship_query_us": .double(query),
      "published_ship_query_us": .double(publishedQuery),
      "ship_kv_us": .double(cache), "published_ship_kv_us": .double(publishedCache),
      "implied_bytes_per_s": .double(implied),
    ]
  }
}
