import Sim

/// The files that the constants of the catalogue's profiles were fitted to.
enum FittedData {
  /// FNV-1a, 64 bits, of the bytes of those of `a100-measured`.
  private static let a100: Set<UInt64> = [
    // allreduce_vllm_custom.csv
    0xB31F_9D60_0EC5_967C,
    // gemm_vllm.csv
    0xE84E_6317_8219_B3C3,
    // attention_decode_vllm.csv
    0x0C28_7B4D_A8B4_0CC3,
    // attention_flashinfer_llama2-7b-tp1.csv
    0xDEF9_A130_F05F_B3F5,
    // attention_prefill_vllm.csv
    0x4DF6_8FFC_5873_4C9E,
    // collectives_nccl.csv
    0xD1C2_4E6F_6A5F_8F53,
    // linear_Llama-2-70b-hf.csv
    0xA5CB_9FA7_7027_5332,
    // linear_Llama-2-7b-hf.csv
    0xE6DE_6B38_4D90_7E8D,
    // linear_internlm-20b.csv
    0xB9C1_0F4F_C3E0_81BC,
    // mla_decode_vllm.csv
    0x3807_0DAD_1502_D0D8,
    // moe_vllm.csv
    0xF2AD_B6E1_265F_4F0F,
    // p2p_inter_node.csv
    0xCF9C_8771_DE6C_E8A3,
    // p2p_intra_node.csv
    0x1988_0EBE_AE65_AB9C,
    // host_overheads.csv
    0x41DD_B939_0C33_E118,
  ]

  /// Those of `h100-measured`.
  private static let h100: Set<UInt64> = [
    // gemm_vllm.csv.gz
    0xA06A_279B_704C_CCAC,
    // attention_decode_vllm.csv.gz
    0xB4B4_77A7_6889_A7B6,
    // attention_prefill_vllm.csv.gz
    0x0BCE_E09E_2A75_B6D8,
    // moe_vllm.csv.gz
    0xF674_16E0_71CE_E943,
    // collectives_nccl.csv
    0x1E9B_0D12_8F12_2BEB,
    // allreduce_vllm_custom.csv
    0x7D42_2CC8_4C70_48EE,
    // mla_decode_module_vllm.csv
    0x0873_9EF1_3FA3_662F,
    // mla_prefill_module_vllm.csv
    0xCED8_C254_F9A8_D678,
  ]

  /// Those of `h200-measured`.
  private static let h200: Set<UInt64> = [
    // gemm_vllm.csv.gz
    0x3085_513D_C238_AE50,
    // attention_decode_vllm.csv.gz
    0xDB1F_53D7_DA70_48F7,
    // attention_prefill_vllm.csv.gz
    0xE6B6_CC29_909C_F187,
    // moe_vllm.csv.gz
    0xE4D8_A413_6395_BA64,
    // collectives_nccl.csv
    0x33A6_E013_C11B_AD66,
    // allreduce_vllm_custom.csv
    0x35FD_614B_2930_81FD,
    // mla_decode_module_vllm.csv
    0x6BC5_6567_5158_DC8D,
    // mla_prefill_module_vllm.csv
    0xB221_DF76_FCB9_1C43,
  ]

  /// Whether `hardware` is of the catalogue and was fitted to a file with that checksum.
  static func contains(_ checksum: UInt64, of hardware: HardwareSpec) -> Bool {
    switch hardware {
    case HardwareCatalog.a100Measured: a100.contains(checksum)
    case HardwareCatalog.h100Measured: h100.contains(checksum)
    case HardwareCatalog.h200Measured: h200.contains(checksum)
    default: false
    }
  }

  /// Whether a measurement of such a file had a part in a fit.
  static func isUsed(_ measurement: Measurement) -> Bool {
    FitStage.all.contains { $0.takes(measurement) }
  }
}
