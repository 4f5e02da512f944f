import Foundation
import Reference
import ReferenceCUDA

/// The backends that `validate kernel` tries, in the order in which they are shown.
enum KernelBackends {
  static let all: [any AttentionBackend] = [
    CPUBackend(threads: ProcessInfo.processInfo.activeProcessorCount),
    CUDABackend(),
  ]
}
