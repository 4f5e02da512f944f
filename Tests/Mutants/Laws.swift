// Runs law suites over seeds until one is violated: `laws SEEDS SUITE...`; without suites, all of them.
//
// Prints what it is about to try, so that after a trap the last line says where; exits 1 at the first violation.
import Foundation
import TestSupport
import Torture

let arguments = Array(CommandLine.arguments.dropFirst())
guard let seeds = arguments.first.flatMap(UInt64.init) else {
  print("usage: laws SEEDS [SUITE...]")
  exit(64)
}
let wanted = arguments.dropFirst()
for name in wanted where LawSuite.all.named(name).isEmpty {
  print("no suite \(name); suites: \(LawSuite.all.map(\.name).joined(separator: " "))")
  exit(64)
}
// All suites on one seed, then on the next: what is easily caught is caught soon.
let suites = wanted.isEmpty ? LawSuite.all : wanted.flatMap { LawSuite.all.named($0) }
for seed in 0..<seeds {
  for suite in suites where seed < suite.seeds {
    print("trying \(suite.name) seed \(seed)")
    fflush(nil)
    do { _ = try suite.check(seed) } catch {
      print(error)
      exit(1)
    }
  }
}
print("no law violated")
