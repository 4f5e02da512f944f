/// The report that is made without `--template`.
enum BuiltInTemplate {
  static let text = """
    # {{ title }}

    {{ sql SELECT count(*) FROM run WHERE status = 'completed' | integer }} completed runs of
    {{ sql SELECT count(DISTINCT trace || (manifest ->> '$.workload.digest')) FROM run WHERE status = 'completed' | integer }} traces under
    {{ sql SELECT count(DISTINCT policy) FROM run WHERE status = 'completed' | integer }} policies.
    {{ if sql SELECT count(*) > 0 FROM run WHERE status = 'failed' }}{{ sql SELECT count(*) FROM run WHERE status = 'failed' | integer }} runs failed.{{ end }}
    Terms and readings are [defined below](#s-definitions).

    What was simulated:

    {{ simulated }}

    ## Results{{ unlike-bases }}

    {{ overview }}

    {{ basis }}

    {{ ratios }}

    ## Load and latency

    {{ figure? throughput-latency y=ttft_p99_s scale=log }}
    {{ figure? throughput-latency y=tpot_p50_s }}

    {{ if sql SELECT count(*) > 0 FROM request_account }}
    ## Where time went

    {{ figure? time-by-cause }}
    {{ figure? gpu-time }}
    {{ end }}

    {{ if sql SELECT count(*) > 0 FROM instance_sample }}
    ## Batches and memory

    {{ figure? batch-sizes }}
    {{ figure? kv-use }}
    {{ end }}

    {{ if sql SELECT count(*) > 0 FROM decision WHERE kind IN ('borrow', 'landed') }}
    ## Lending

    {{ figure? lending }}
    {{ figure? moves }}
    {{ end }}

    ## Definitions

    {{ definitions }}
    """
}
