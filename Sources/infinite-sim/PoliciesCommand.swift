import ArgumentParser
import Policies

/// `infinite-sim policies`: the catalogue, and every option.
struct PoliciesCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "policies", abstract: "List the policies and their options.")

  func run() throws {
    var text = ""
    for policy in PolicyCatalog.all {
      text += "\(policy.name)\n  \(policy.summary)\n"
      for option in policy.options {
        text += "    --option \(option.key)=\(option.defaultValue)  \(option.help)\n"
      }
    }
    text += "\nOf the engine, under any policy\n"
    for option in EngineOption.all {
      text += "    --option \(option.key)=…  \(option.values): \(option.help)\n"
    }
    try writeToStandardOutput(text)
  }
}
