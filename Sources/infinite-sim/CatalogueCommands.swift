import ArgumentParser
import Sim

/// `infinite-sim models`: the presets.
struct ModelsCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "models", abstract: "List the model presets.")

  func run() throws {
    var rows = [
      ["model", "layers", "hidden", "heads", "KV heads", "parameters", "KV bytes per token", "context"]
    ]
    for model in ModelCatalog.all {
      rows.append([
        model.name, grouped(model.layers), grouped(model.hidden), grouped(model.queryHeads),
        grouped(model.kvHeads), grouped(model.parameters), grouped(model.kvBytesPerToken),
        grouped(model.maxPosition),
      ])
    }
    try writeToStandardOutput(
      markdownTable(rows) + "\n--model also takes the path of a Hugging Face config.json.\n")
  }
}

/// `infinite-sim hardware`: the profiles, and the links between nodes.
struct HardwareCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "hardware", abstract: "List the hardware profiles and the links.")

  func run() throws {
    var text = "Profiles (--hardware)\n\n"
    for profile in HardwareCatalog.all {
      text += "\(profile.name)\n  \(profile.summary)\n"
      text += "  links: \(profile.inNodeLink.name) in the node, \(profile.interNodeLink.name) between nodes\n"
    }
    text += "\nLinks (--inter-node): one flow, one direction\n\n"
    var rows = [["link", "GB/s", "latency, µs", "source"]]
    for link in LinkCatalog.all {
      rows.append([
        link.name, figure(link.costs.bytesPerSecond / 1e9), figure(Double(link.costs.latency) / 1e6),
        link.source,
      ])
    }
    try writeToStandardOutput(text + markdownTable(rows, leftColumns: [0, 3]))
  }
}
