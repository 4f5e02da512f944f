extension TraceFormat {
  /// Azure's LLM inference traces of 2023: calendar times without a zone, seven fraction digits.
  ///
  /// Source: https://github.com/Azure/AzurePublicDataset, `AzureLLMInferenceDataset2023.md`.
  package static let azure2023 = TraceFormat(
    name: "azure-2023", summary: "Azure's LLM inference traces of 2023 (CSV)", grammar: .csv,
    columns: azureColumns, clock: .calendar)

  /// Those of 2024: the same columns, times with an offset, the fraction sometimes absent.
  ///
  /// Source: https://github.com/Azure/AzurePublicDataset, `AzureLLMInferenceDataset2024.md`.
  package static let azure2024 = TraceFormat(
    name: "azure-2024", summary: "Azure's LLM inference traces of 2024 (CSV)", grammar: .csv,
    columns: azureColumns, clock: .calendarWithZone)

  private static let azureColumns = [
    Column("TIMESTAMP", .arrival), Column("ContextTokens", .prompt), Column("GeneratedTokens", .output),
  ]
}
