import Sim

/// vLLM-S, the paper's second baseline: one instance over all GPUs, tensor-parallel within a node and pipelined
/// across nodes (or tensor-parallel throughout).
///
/// All memory is one pool, so the longest context is the cluster's; but every layer is cut into as many pieces as
/// there are GPUs, which small batches pay for.
public final class VLLMSingle: SchedulingPolicy {
  public let name = "vllm-s"

  public init() {}

  public func route(_ request: RequestView, _ cluster: borrowing ClusterView) -> InstanceID { InstanceID(0) }
}
