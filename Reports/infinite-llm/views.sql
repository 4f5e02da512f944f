-- The verdicts on the claims that rest on the time of hosts, once for each coupling: `held` is 2 if a claim reproduces, 1 if
-- it does so in part, 0 if not. `Reports/make` adds this after Reports/views.sql.

DROP VIEW IF EXISTS claim;
DROP VIEW IF EXISTS coupled;

-- The cells of the study's two readings of debtor-creditor.
CREATE VIEW coupled AS
SELECT CASE label WHEN 'debtor-creditor' THEN 'contended' ELSE 'paper' END AS coupling, grid, axes, base, ratio, low, high
FROM ratio_cell WHERE label IN ('debtor-creditor', 'debtor-creditor-paper');

CREATE VIEW claim AS
WITH couplings(coupling) AS (VALUES ('paper'), ('contended')),
over_m AS (
  SELECT c.coupling,
    (SELECT avg(ratio >= 1.35) FROM coupled k WHERE k.coupling = c.coupling AND grid = 'short-models' AND base = 'vllm-m'
      AND axes ->> 'reading' IN ('free', 'charged')) AS of_models,
    (SELECT max(ratio) FROM coupled k WHERE k.coupling = c.coupling AND grid = 'short-backlog' AND base = 'vllm-m') AS most
  FROM couplings c),
instances AS (
  SELECT c.coupling,
    (SELECT ratio FROM coupled k WHERE k.coupling = c.coupling AND grid = 'short-instances' AND base = 'vllm-m'
      AND axes ->> 'trace' = 'paper-0' AND axes ->> 'instances' = '32') AS wide,
    (SELECT high FROM coupled k WHERE k.coupling = c.coupling AND grid = 'short-instances' AND base = 'vllm-m'
      AND axes ->> 'trace' = 'paper-2' AND axes ->> 'instances' = '32') AS narrow,
    (SELECT high FROM coupled k WHERE k.coupling = c.coupling AND grid = 'short-instances' AND base = 'vllm-m'
      AND axes ->> 'trace' = 'paper-0' AND axes ->> 'instances' = '2') AS few
  FROM couplings c),
over_s AS (
  SELECT coupling, avg(ratio BETWEEN 1.4 AND 3.4) AS of_cells, sum(ratio >= 1.4) AS cells, count(*) AS all_cells,
    max(ratio) FILTER (WHERE axes ->> 'reading' = 'free') AS free
  FROM coupled WHERE grid = 'long' AND base = 'vllm-s' AND axes ->> 'reading' IN ('free', 'charged') GROUP BY coupling),
range AS (
  SELECT a.coupling, max(b.low > a.high) FILTER (WHERE a.axes ->> 'reading' = 'charged') AS splits,
    max(b.low > a.high) FILTER (WHERE a.axes ->> 'reading' = 'charged-no-split') AS whole,
    max(b.high < a.low) FILTER (WHERE a.axes ->> 'reading' = 'charged') AS falls
  FROM coupled a JOIN coupled b USING (coupling, grid, base)
  WHERE grid = 'long' AND base = 'vllm-s' AND a.axes ->> 'model' = '7b' AND b.axes ->> 'model' = '7b'
    AND a.axes ->> 'reading' = b.axes ->> 'reading' AND a.axes ->> 'trace' = 'paper-3' AND b.axes ->> 'trace' = 'paper-8'
  GROUP BY coupling),
fixed AS (
  SELECT coupling, avg(ratio BETWEEN 1.4 AND 5.3) AS of_models, max(ratio) AS most
  FROM coupled WHERE grid = 'fixed' AND base = 'vllm-s' AND axes ->> 'length' = '1k' AND axes ->> 'prefill' = 'free' GROUP BY coupling)
SELECT 1 AS place, 'over-vllm-m' AS name, 'throughput over vLLM-M' AS claim, coupling,
  CASE WHEN of_models > 0.5 THEN 2 WHEN most >= 1.35 THEN 1 ELSE 0 END AS held,
  CASE WHEN of_models > 0.5 THEN 'reproduces' WHEN most >= 1.35 THEN 'partly: 13B on one GPU, round robin, free prefill' ELSE 'does not' END AS verdict
FROM over_m
UNION ALL
SELECT 2, 'spread', 'its growth with the spread of lengths', coupling, 2 * (wide > narrow), iif(wide > narrow, 'reproduces', 'does not, within the spread')
FROM instances
UNION ALL
SELECT 3, 'instances', 'its growth with the number of instances', coupling, 2 * (wide > few), iif(wide > few, 'reproduces', 'does not, within the spread')
FROM instances
UNION ALL
SELECT 4, 'over-vllm-s', 'throughput over vLLM-S on long contexts', coupling, CASE WHEN of_cells > 0.5 THEN 2 WHEN cells > 0 THEN 1 ELSE 0 END,
  CASE WHEN of_cells > 0.5 THEN 'reproduces'
    WHEN cells > 0 THEN printf('partly: %d of %d cells reach 1.4%s', cells, all_cells, iif(free < 1.4, ', all with prefill charged', ''))
    ELSE 'does not' END
FROM over_s
UNION ALL
SELECT 5, 'range', 'its growth with the range of lengths', coupling, CASE WHEN splits AND whole THEN 2 WHEN splits OR whole THEN 1 ELSE 0 END,
  CASE WHEN splits AND whole THEN 'reproduces' WHEN whole THEN 'partly: only with a kernel that does not split contexts'
    WHEN splits THEN 'partly: only with a kernel that splits contexts' ELSE 'does not' END
FROM range
UNION ALL
SELECT 6, 'fixed', 'throughput over vLLM-S at short fixed lengths', coupling, CASE WHEN of_models > 0.5 THEN 2 WHEN most >= 1.4 THEN 1 ELSE 0 END,
  CASE WHEN of_models > 0.5 THEN 'reproduces at 1K' WHEN most >= 1.4 THEN 'partly' ELSE 'does not' END || '; see below for what makes it'
FROM fixed;
