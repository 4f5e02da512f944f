extension TraceFormat {
  /// Azure's LLM inference traces of 2023 (calendar times without a zone, seven fraction digits) and of 2024
  /// (with an offset, the fraction sometimes absent). Their headers are the same.
  ///
  /// Source: https://github.com/Azure/AzurePublicDataset, `AzureLLMInferenceDataset2023.md` and `…2024.md`.
  static let azure = TraceFormat(
    name: "azure", arrivalColumn: "TIMESTAMP", promptColumn: "ContextTokens", outputColumn: "GeneratedTokens",
    clock: .calendar)
}
