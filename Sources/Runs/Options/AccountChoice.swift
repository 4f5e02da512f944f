import ArgumentParser
import Sim

/// What `--kv-accounting` and `--engine-version` say: an account, and of a version of vLLM the engine whose step it is.
package struct AccountChoice: Hashable, Sendable {
  package var account: KVAccounting
  /// `nil` for an account that is no version's.
  package var engine: EngineChoice?

  /// An account's name, or a version of vLLM with the engine's name before it or without; throws `ValidationError`.
  package init(argument: String) throws {
    let name = argument.lowercased()
    if let known = KVAccounting.named(name) {
      (account, engine) = (known, try? EngineChoice(name))
      return
    }
    do {
      let isName = name.hasPrefix("vllm-") || ["v0", "v1"].contains(name)
      let choice = try EngineChoice(isName ? name : "vllm-" + name)
      (account, engine) = (choice.profile.accounting, choice)
    } catch EngineNameError.unknown {
      throw ValidationError(
        "expected a version of vLLM such as 0.6.3, or an account: \(Self.names.joined(separator: ", ")).")
    } catch {
      throw ValidationError("\(error).")
    }
  }

  /// The names of all accounts.
  package static var names: [String] { KVAccounting.all.map(\.name) }
}
