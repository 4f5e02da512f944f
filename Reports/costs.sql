-- Output of `infinite-sim cost …`, which Reports/make wrote to the JSON files beside it, as tables.
DROP TABLE IF EXISTS cost_shipping;
CREATE TABLE cost_shipping AS
SELECT value ->> 'context' AS context, value ->> 'ship_query_us' AS query_us, value ->> 'published_ship_query_us' AS paper_query_us,
  value ->> 'ship_kv_us' AS kv_us, value ->> 'published_ship_kv_us' AS paper_kv_us
FROM json_each(readfile('shipping.json'));

DROP TABLE IF EXISTS cost_dist;
CREATE TABLE cost_dist AS
SELECT value ->> 'context' AS context, kernel, ways ->> 'dist_us' AS dist_us, ways ->> 'head_wise_us' AS tp_us, ways ->> 'ring_us' AS ring_us
FROM (SELECT value, 'splits contexts' AS kernel, value -> 'flashinfer' AS ways FROM json_each(readfile('dist-attention.json'))
  UNION ALL SELECT value, 'does not split', value -> 'no_split' FROM json_each(readfile('dist-attention.json')));

-- Decode iterations of LLaMA2-7B over contexts: the largest batch that memory holds, and fixed batches on short contexts.
DROP TABLE IF EXISTS cost_sweep;
CREATE TABLE cost_sweep AS
SELECT file, tp, p.value ->> 'context' AS context, p.value ->> 'batch' AS batch, p.value ->> 'fitting' AS fitting,
  p.value ->> 'tokens_per_s_per_gpu' AS tokens_per_s_per_gpu, p.value ->> 'non_attention_us' AS linear_us,
  (p.value ->> 'non_attention_flops_per_s') / (whole ->> 'peak_flops_per_s') AS share_of_peak,
  p.value ->> 'attention_share' AS attention_share, whole ->> 'kv_tokens' AS kv_tokens
FROM (SELECT file, readfile(file) AS whole, (readfile(file) -> 'instance') ->> 'tp' AS tp FROM (
    SELECT 'memory-tp1.json' AS file UNION ALL SELECT 'memory-tp8.json' UNION ALL
    SELECT 'batch1-tp1.json' UNION ALL SELECT 'batch1-tp8.json' UNION ALL
    SELECT 'batch32-tp1.json' UNION ALL SELECT 'batch32-tp8.json')),
  json_each(whole, '$.points') AS p;
