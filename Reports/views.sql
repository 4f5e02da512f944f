-- What the templates of the studies ask of a sweep's database and its own tables do not say: ratios of cells, so that one
-- sentence can compare two of them. `Reports/make` adds these after the sweep.

DROP VIEW IF EXISTS ratio_cell;
DROP VIEW IF EXISTS ratio_seed;
DROP VIEW IF EXISTS point;

-- A run of a study: grid, cell, contender, seed, its main figures.
CREATE VIEW point AS
SELECT grid, label, axes, sweep_point.seed, run_id, policy, summary, completed, rejected, rejected_requests, unfinished, load,
  output_tokens_per_s, window_output_tokens_per_s, ttft_p99_s
FROM sweep_point JOIN run ON run.id = run_id
WHERE heat = 'whole';

-- Output tokens/s over the makespan of `label` over `base`, on the same seed; NULL unless both completed the same requests.
CREATE VIEW ratio_seed AS
SELECT a.grid, a.axes, a.seed, a.label, b.label AS base,
  CASE WHEN a.rejected_requests = b.rejected_requests AND a.unfinished = 0 AND b.unfinished = 0
    THEN a.output_tokens_per_s / b.output_tokens_per_s END AS ratio
FROM point a JOIN point b ON a.grid = b.grid AND a.axes = b.axes AND a.seed = b.seed AND a.label <> b.label;

-- The same over the seeds of a cell: mean, and the 95 % interval of the mean by Student's t. NULL where a seed has no ratio.
CREATE VIEW ratio_cell AS
WITH moments AS (
  SELECT grid, axes, label, base, count(*) AS seeds, count(ratio) AS n, avg(ratio) AS mean,
    sqrt(max(0, avg(ratio * ratio) - avg(ratio) * avg(ratio)) * count(ratio) / max(1, count(ratio) - 1)) AS deviation
  FROM ratio_seed GROUP BY grid, axes, label, base)
SELECT grid, axes, label, base, seeds,
  CASE WHEN n = seeds THEN mean END AS ratio,
  CASE WHEN n = seeds AND n > 1 THEN mean - t * deviation / sqrt(n) END AS low,
  CASE WHEN n = seeds AND n > 1 THEN mean + t * deviation / sqrt(n) END AS high
FROM (SELECT *, CASE n WHEN 2 THEN 12.706 WHEN 3 THEN 4.303 WHEN 4 THEN 3.182 WHEN 5 THEN 2.776 WHEN 6 THEN 2.571 WHEN 10 THEN 2.262 ELSE 2.26 END
  AS t FROM moments);

-- What lending is credited with: its ratio to the best contender of the same cell that does not lend, completes what it
-- completes, and has the highest mean throughput. Not with what a coupling gives away (labels in `-paper`).
DROP VIEW IF EXISTS credit;
CREATE VIEW credit AS
SELECT grid, axes, label, base, ratio, low, high FROM (
  SELECT c.*, row_number() OVER (PARTITION BY c.grid, c.axes, c.label ORDER BY c.ratio, c.base) AS place
  FROM ratio_cell c
  WHERE c.ratio IS NOT NULL
    AND c.label IN (SELECT label FROM point WHERE policy NOT IN ('vllm-m', 'vllm-s')) AND c.label NOT LIKE '%-paper'
    AND c.base IN (SELECT label FROM point WHERE policy IN ('vllm-m', 'vllm-s')))
WHERE place = 1;
