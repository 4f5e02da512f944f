// swift-tools-version: 6.2
import PackageDescription

// A package of its own, so that the sanitizer's flags and libFuzzer's `main` stay out of the main one. See `Fuzz/run`.
let package = Package(
  name: "fuzz",
  products: [.library(name: "Fuzz", type: .static, targets: ["Fuzz"])],
  dependencies: [.package(name: "infinite-sim", path: "..")],
  targets: [
    .target(
      name: "Fuzz",
      dependencies: [.product(name: "FuzzTargets", package: "infinite-sim")],
      // One thread and C entry points: nothing for strict concurrency to check.
      swiftSettings: [.swiftLanguageMode(.v5)])
  ]
)
