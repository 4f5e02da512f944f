// swift-tools-version: 6.2
import PackageDescription

// Warnings in our own targets are errors where the project is checked (`.ci/run` sets the variable), and not where it
// is used: a newer compiler may warn of more.
let isChecked = Context.environment["INFINITE_SIM_STRICT"] != nil
let strict: [SwiftSetting] =
  [.swiftLanguageMode(.v6)] + (isChecked ? [.treatAllWarnings(as: .error)] : [])

let package = Package(
  name: "infinite-sim",
  platforms: [.macOS(.v15)],
  products: [
    .executable(name: "infinite-sim", targets: ["infinite-sim"]),
    .executable(name: "laws", targets: ["laws"]),
    .library(name: "Sim", targets: ["Sim"]),
    .library(name: "Policies", targets: ["Policies"]),
    .library(name: "Workloads", targets: ["Workloads"]),
    // Whatever reads files, for `Fuzz`.
    .library(name: "FuzzTargets", targets: ["FuzzTargets"]),
    // Not for use: a driver of a GPU that is an interpreter, for tests (docs/cuda.md).
    .library(name: "StandInDriver", type: .dynamic, targets: ["StandInDriver"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", exact: "1.8.2"),
    .package(url: "https://github.com/apple/swift-collections", exact: "1.6.0"),
    .package(url: "https://github.com/groue/GRDB.swift", exact: "7.10.0"),
    .package(url: "https://github.com/jpsim/Yams", exact: "6.2.2"),
  ],
  targets: [
    .target(
      name: "Sim",
      dependencies: [.product(name: "HeapModule", package: "swift-collections")],
      swiftSettings: strict),
    .target(name: "Policies", dependencies: ["Sim"], swiftSettings: strict),
    .target(name: "Torture", dependencies: ["Sim", "Policies"], swiftSettings: strict),
    .target(name: "Output", swiftSettings: strict),
    .systemLibrary(name: "CZlib", providers: [.apt(["zlib1g-dev"])]),
    .systemLibrary(name: "CZstd", providers: [.apt(["libzstd-dev"]), .brew(["zstd"])]),
    .target(
      name: "Workloads",
      dependencies: ["Output", "Results", "Sim", "CZlib", "CZstd", .product(name: "Yams", package: "Yams")],
      swiftSettings: strict),
    .target(name: "Results", dependencies: ["Sim"], swiftSettings: strict),
    .target(
      name: "Storage",
      dependencies: [
        "Output", "Results", "Sim", .product(name: "GRDB", package: "GRDB.swift"),
        .product(name: "GRDBSQLite", package: "GRDB.swift"),
      ],
      swiftSettings: strict),
    .target(name: "Formatting", swiftSettings: strict),
    .target(
      name: "Reporting",
      dependencies: [
        "Formatting", "Output", "Results", "Sim", "Storage", "Studies",
        .product(name: "GRDB", package: "GRDB.swift"),
      ],
      swiftSettings: strict),
    .target(name: "CDistAttention", path: "Sources/Reference/CPUKernel"),
    .target(
      name: "Reference", dependencies: ["CDistAttention"], path: "Sources/Reference/Attention",
      swiftSettings: strict),
    .target(
      name: "CUDAKernels", path: "Sources/Reference/CUDAKernels",
      exclude: ["distattention.cu", "distattention.ptx"]),
    .target(
      name: "ReferenceCUDA", dependencies: ["CUDAKernels", "Reference"], path: "Sources/Reference/CUDA",
      swiftSettings: strict),
    .target(
      name: "Calibration", dependencies: ["CZlib", "Sim", .product(name: "Yams", package: "Yams")],
      swiftSettings: strict),
    .target(
      name: "Studies", dependencies: ["Results", "Sim", .product(name: "Yams", package: "Yams")],
      swiftSettings: strict),
    // The command line: what both halves of it need, the half without a database, the half with one, and the program. The
    // halves do not know each other: they are compiled side by side, and hardly anything after them.
    .target(
      name: "Runs",
      dependencies: [
        "Calibration", "Formatting", "Output", "Policies", "Results", "Sim", "Studies", "Workloads",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ],
      swiftSettings: strict),
    .target(
      name: "Workbench",
      dependencies: [
        "Calibration", "Formatting", "Output", "Policies", "Reference", "ReferenceCUDA", "Results", "Runs",
        "Sim", "Studies", "Torture", "Workloads",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ],
      swiftSettings: strict),
    .target(
      name: "Experiments",
      dependencies: [
        "Formatting", "Output", "Reporting", "Results", "Runs", "Sim", "Storage", "Studies",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ],
      swiftSettings: strict),
    .executableTarget(
      name: "infinite-sim",
      dependencies: [
        "Calibration", "Experiments", "Output", "Policies", "Reporting", "Results", "Runs", "Sim", "Storage",
        "Studies", "Workbench", "Workloads",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ],
      swiftSettings: strict),
    .target(name: "PTXInterpreter", path: "Tests/PTX", swiftSettings: strict),
    .target(
      name: "StandInDriver", dependencies: ["PTXInterpreter"], path: "Tests/StandInDriver",
      swiftSettings: strict),
    .target(
      name: "TestSupport", dependencies: ["Sim", "Policies", "Torture"], path: "Tests/TestSupport",
      swiftSettings: strict),
    .executableTarget(
      name: "laws",
      dependencies: [
        "Sim", "Policies", "TestSupport", "Torture",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ],
      swiftSettings: strict),
    .testTarget(
      name: "SimTests", dependencies: ["Sim", "TestSupport", "Torture", "Workloads"], swiftSettings: strict),
    .testTarget(
      name: "PoliciesTests", dependencies: ["Policies", "TestSupport", "Torture", "Workloads"],
      swiftSettings: strict),
    .testTarget(
      name: "WorkloadsTests", dependencies: ["Workloads", "Output", "Sim", "CZlib", "CZstd"],
      swiftSettings: strict),
    .target(
      name: "FuzzTargets", dependencies: ["Calibration", "Results", "Storage", "Studies", "Workloads"],
      path: "Fuzz/Targets", swiftSettings: strict),
    .testTarget(name: "FuzzTests", dependencies: ["FuzzTargets"], swiftSettings: strict),
    .testTarget(name: "ResultsTests", dependencies: ["Results", "Storage"], swiftSettings: strict),
    .testTarget(
      name: "ReportingTests",
      dependencies: [
        .product(name: "GRDB", package: "GRDB.swift"), "Formatting", "Output", "Policies", "Reporting",
        "Results", "Sim", "Storage", "Studies", "TestSupport", "Torture",
      ],
      swiftSettings: strict),
    .testTarget(
      name: "ReferenceTests", dependencies: ["Reference", "Sim"], exclude: ["Fixtures"], swiftSettings: strict
    ),
    .testTarget(
      name: "CUDATests", dependencies: ["PTXInterpreter", "Reference", "ReferenceCUDA"], path: "Tests/CUDA",
      exclude: ["clang_cuda.h", "kernels.cu", "mutants.json"], swiftSettings: strict),
    .testTarget(
      name: "CalibrationTests", dependencies: ["Calibration", "Sim"], exclude: ["Sample"],
      swiftSettings: strict),
    .testTarget(
      name: "CommandTests",
      dependencies: [
        "infinite-sim", "Calibration", "Experiments", "Output", "Policies", "Reference", "Reporting",
        "Results",
        "Runs", "Sim", "Storage", "Studies", "Torture", "Workbench", "Workloads",
      ],
      swiftSettings: strict),
    .testTarget(name: "StudiesTests", dependencies: ["Studies", "Results"], swiftSettings: strict),
  ]
)

#if os(Linux)
  // The event loop alone, which is counted and timed (Benchmarks/README.md); it asks glibc for the size of the heap.
  package.targets += [
    .systemLibrary(name: "CMalloc", path: "Benchmarks/loop/CMalloc"),
    .executableTarget(
      name: "loop", dependencies: ["Sim", "Policies", "CMalloc"], path: "Benchmarks/loop",
      exclude: ["loop.py", "CMalloc"], swiftSettings: strict),
  ]
#endif
