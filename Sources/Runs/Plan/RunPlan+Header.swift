import Results
import Sim

extension RunPlan {
  /// What is run, for a program: the header of the text report as an object.
  package func header(_ workload: Workload) -> JSON {
    .object(
      [
        .init("program_version", .string(ThisProgram.version)), .init("policy", .string(policy)),
        .init("trace", .string(workload.name)), .init("seed", .int(workload.seed)),
      ] + setUp + [
        .init("layout", .string(layout)), .init("instances", .int(instances)),
        .init("max_num_seqs", .int(maxNumSeqs)), .init("max_num_batched_tokens", .int(maxNumBatchedTokens)),
        .init("kv_blocks", .int(blocksPerInstance)), .init("manifest", .string(manifest(workload).hash)),
      ])
  }

  /// The part of the header that the machine and the cut say.
  static func setUp(
    _ machine: Machine, _ shape: InstanceShape, _ engine: EngineOptions, account: KVAccounting
  ) -> [JSON.Member] {
    let model = machine.model
    let hardware = machine.cluster.hardware
    return [
      .init("model", .string(model.name)),
      .init("weights", .string((model.experts?.weights ?? model.weights).rawValue)),
      .init("kv_bytes_per_element", .int(model.kvBytesPerElement)),
      .init("hardware", .string(hardware.name)), .init("engine_profile", .string(machine.engine.name)),
      .init("engine_version", .optional(machine.engineVersion)),
      .init("scheduler", .string(engine.kind.rawValue)),
      .init("decode_kernel", .string(machine.engine.kernelName(for: model, on: hardware))),
      .init("kv_account", .string(account.name)),
      .init("nodes", .int(machine.cluster.nodes)), .init("gpus_per_node", .int(machine.cluster.gpusPerNode)),
      .init("in_node_link", .string(hardware.inNodeLink.name)),
      .init("inter_node_link", .string(machine.cluster.interNodeLink.name)),
      .init("tp", .int(shape.tp)), .init("pp", .int(shape.pp)),
      .init("expert_parallel", .bool(shape.expertParallel)),
      .init("max_model_len", .int(engine.maxModelLen)),
    ]
  }
}
