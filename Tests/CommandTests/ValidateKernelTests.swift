import Workbench
import Runs
import Foundation
import Results
import Testing

import Reference

@Suite struct ValidateKernelTests {
  @Test func `Every call, format and partition of a small model is within its bound, and the JSON says so`()
    throws
  {
    let done = try Program.run([
      "validate", "kernel", "--model", "llama2-7b", "--context", "300", "--partitions", "5", "--json",
    ])
    #expect(done.status == 0, "\(done.errors)")
    let report = try JSON(parsing: done.output)
    #expect(report.keys == ["rows", "unavailable"])
    let rows = try #require(report["rows"]?.elements)
    let cpu = rows.filter { $0["backend"]?.string == "cpu" }
    #expect(
      cpu.count == ElementType.allCases.count * KernelValidation.Call.allCases.count
        * KVPartition.allCases.count)
    for row in rows {
      #expect(
        row.keys == ["backend", "bound", "dtype", "gb_per_s", "max_error", "ok", "partitions", "shape"])
      #expect(row["ok"] == .bool(true))
      #expect(try #require(row["max_error"]?.number) <= #require(row["bound"]?.number))
      #expect(try #require(row["gb_per_s"]?.number) > 0)
    }
    for missing in try #require(report["unavailable"]?.elements) {
      #expect(try !#require(missing["reason"]?.string).isEmpty)
    }
  }

  @Test func `One cached token is enough`() throws {
    #expect(try Program.run(["validate", "kernel", "--backend", "cpu", "--context", "1"]).status == 0)
  }

  @Test(arguments: [
    ["--backend", "tpu"], ["--context", "0"], ["--partitions", "0"], ["--hosts", "0"], ["--kill-host", "0"],
    ["--hosts", "2", "--kill-host", "2"], ["--hosts", "2", "--partitions", "3"], ["--model", "none"],
    ["--context", "1073741824"],
  ])
  func `A wrong option is a usage error that names it`(_ options: [String]) throws {
    let done = try Program.run(["validate", "kernel"] + options)
    #expect(done.status == FailureStatus.usage.rawValue && done.output.isEmpty)
    #expect(done.errors.contains(options[options.count - 2]), "\(done.errors)")
  }

  @Test func `A row above its bound is shown as such`() {
    let shape = AttentionShape(queryHeads: 1, kvHeads: 1, headDim: 1)
    var report = KernelReport(
      model: "m", validation: KernelValidation(heads: shape, context: 1, hosts: 1))
    report.rows = [
      KernelValidation.Row(
        backend: "cpu", element: .bf16, call: .decode, shape: shape, tokens: 1, partition: .even, hosts: 1,
        verdict: Judge.Verdict(maxError: .infinity, meanError: .nan, bound: 1), bytesPerSecond: 1)
    ]
    report.missing = [("cuda", "no driver")]
    #expect(report.text.contains(" NO ") && report.text.contains("cuda could not run: no driver"))
    #expect(report.json["rows"]?.elements?[0]["ok"] == .bool(false))
    #expect(report.json["unavailable"]?.elements?[0]["reason"] == .string("no driver"))
  }

  @Test func `Hosts are processes that get the query and give a state, and the parent holds no cache`() throws
  {
    let context = 16_384
    let done = try Program.run(["validate", "kernel", "--hosts", "3", "--context", "\(context)", "--json"])
    #expect(done.status == 0, "\(done.errors)")
    let report = try JSON(parsing: done.output)
    let hosts = try #require(report["hosts"]?.elements)
    // llama2-13b has 40 heads of 128 elements.
    let shape = AttentionShape(queryHeads: 40, kvHeads: 40, headDim: 128)
    #expect(hosts.count == 3)
    #expect(hosts.allSatisfy { $0["bytes_sent"]?.integer == shape.queryBytes(.bf16) })
    #expect(hosts.allSatisfy { $0["bytes_received"]?.integer == shape.stateBytes(.fp32) })
    #expect(hosts.compactMap { $0["tokens"]?.integer }.reduce(0, +) == context)
    let processes =
      hosts.compactMap { $0["process"]?.integer }
      + [report["parent_process"], report["judge_process"]].compactMap { $0?.integer }
    #expect(Set(processes).count == 5)
    #expect(
      report["bytes_moved"]?.integer == 3 * (shape.queryBytes(.bf16) + shape.stateBytes(.fp32)))
    #expect(report["kv_bytes"]?.integer == shape.kvBytes(.bf16, tokens: context))
    #expect(report["ok"] == .bool(true))
    #if os(Linux)
      let peak = try #require(report["parent_peak_bytes"]?.integer)
      #expect(peak * 4 < shape.kvBytes(.bf16, tokens: context))
    #endif
  }

  @Test func `A killed host ends the run with its name and status 1`() throws {
    let done = try Program.run(
      ["validate", "kernel", "--hosts", "3", "--context", "2048", "--kill-host", "1"])
    #expect(done.status == 1 && done.output.isEmpty)
    #expect(done.errors.contains("host 1 (process ") && done.errors.contains("killed by signal 9"))
  }

  @Test func `More hosts than tokens leave some with nothing`() throws {
    #expect(try Program.run(["validate", "kernel", "--hosts", "4", "--context", "2"]).status == 0)
  }
}
