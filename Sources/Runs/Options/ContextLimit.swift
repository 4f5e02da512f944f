import ArgumentParser
import Formatting
import Sim

/// What `--max-model-len` says: the longest context that is served.
package enum ContextLimit: Hashable, Sendable, CustomStringConvertible {
  /// That of the model, `ModelSpec.maxPosition`.
  case model
  case tokens(Int)

  package init(argument: String) throws {
    if argument == "model" {
      self = .model
    } else if let tokens = Int(argument), (2...Self.most).contains(tokens) {
      self = .tokens(tokens)
    } else {
      throw ValidationError("Expected model, or 2 to \(Self.most) tokens.")
    }
  }

  /// Beyond any trace: a request has at most 100,000,000 tokens of each kind.
  private static let most = 1 << 30

  package var description: String {
    switch self {
    case .model: "model"
    case .tokens(let tokens): "\(tokens)"
    }
  }

  /// The longest context of a run of `model`, tokens.
  package func tokens(for model: ModelSpec) -> Int {
    switch self {
    case .model: model.maxPosition
    case .tokens(let tokens): tokens
    }
  }
}

extension RunSummary {
  /// What a reader should know if the context of the model decided what was served; `nil` if it did not.
  package var contextNote: String? {
    let rejected = rejectedByReason[.exceedsContext, default: 0]
    guard rejected + cutAtContext > 0 else { return nil }
    return
      "the context that is served is shorter than the trace: \(grouped(rejected)) prompts were rejected (exceeds-context), "
      + "\(grouped(cutAtContext)) outputs were cut; --max-model-len TOKENS serves longer ones"
  }
}
