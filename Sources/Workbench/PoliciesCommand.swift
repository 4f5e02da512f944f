import Runs
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
    text += "\nOf the engine, under any policy\n" + lines(EngineOption.all)
    text += "\nOf the managers' messages, where a policy plans\n" + lines(ManagerOption.all)
    try writeToStandardOutput(text)
  }

  private func lines<Settings>(_ options: [RunSetting<Settings>]) -> String {
    options.map { "    --option \($0.key)=…  \($0.values): \($0.help)\n" }.joined()
  }
}
