// The part of the kernel that is the same for every instruction set: chunks, threads, and the merge of chunks.
#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "Kernel.h"

enum {
  MIN_CHUNK = 1024,   // Tokens; below, a chunk's state costs more than its tokens.
  MAX_CHUNKS = 32,    // Their states are written and read once more.
  MAX_THREADS = 256,
  SERIAL_WORK = 1 << 21,  // Multiplications below which a thread takes longer to start than to be of use.
};

static const dist_attention_tiles *tiles_of(dist_attention_level level, dist_attention_element element) {
  switch (level) {
#if defined(__x86_64__)
    case DIST_ATTENTION_AVX2: return &dist_attention_avx2;
    case DIST_ATTENTION_AVX512: return &dist_attention_avx512;
    case DIST_ATTENTION_AVX512_BF16:
      return element == DIST_ATTENTION_BF16 ? &dist_attention_avx512_bf16 : &dist_attention_avx512;
#endif
    default: return &dist_attention_baseline;
  }
}

int dist_attention_has_level(dist_attention_level level) {
  switch (level) {
    case DIST_ATTENTION_BASELINE: return 1;
#if defined(__x86_64__)
    case DIST_ATTENTION_AVX2:
      return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c") &&
             __builtin_cpu_supports("bmi2");
    case DIST_ATTENTION_AVX512:
      return dist_attention_has_level(DIST_ATTENTION_AVX2) && __builtin_cpu_supports("avx512f") &&
             __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
             __builtin_cpu_supports("avx512vl");
    case DIST_ATTENTION_AVX512_BF16:
      return dist_attention_has_level(DIST_ATTENTION_AVX512) && __builtin_cpu_supports("avx512bf16");
#endif
    default: return 0;
  }
}

// MARK: - Threads

// Work in numbered pieces that threads take one by one.
typedef struct {
  void (*run)(void *context, int64_t piece);
  void *context;
  int64_t pieces;
  atomic_llong next;
} crew;

static void *work(void *argument) {
  crew *c = argument;
  for (;;) {
    int64_t piece = atomic_fetch_add(&c->next, 1);
    if (piece >= c->pieces) return NULL;
    c->run(c->context, piece);
  }
}

// Runs every piece once, on this thread and up to `threads` − 1 others.
static void run_all(void (*run)(void *, int64_t), void *context, int64_t pieces, int threads) {
  crew c = {run, context, pieces, 0};
  pthread_t others[MAX_THREADS];
  int started = 0;
  if (threads > MAX_THREADS) threads = MAX_THREADS;
  // A thread that cannot be had leaves its share to the rest.
  while (started < threads - 1 && started < pieces - 1 && pthread_create(&others[started], NULL, work, &c) == 0) {
    ++started;
  }
  work(&c);
  for (int i = 0; i < started; ++i) pthread_join(others[i], NULL);
}

// MARK: - Partial attention

typedef struct {
  dist_attention_plan plan;
  const dist_attention_tiles *tiles;
  int64_t chunk_tokens;
  int64_t heads_per_piece, pieces_per_chunk;
  int64_t chunks;
  float *output;   // [chunks, kv_heads, rows_per_head, padded_dim]
  float *maximum;  // [chunks, kv_heads, rows_per_head]
  float *sums;     // [chunks, kv_heads, rows_per_head, LANES]
} job;

static void run_piece(void *context, int64_t piece) {
  const job *j = context;
  const dist_attention_call *call = j->plan.call;
  int64_t chunk = piece / j->pieces_per_chunk;
  int64_t begin = call->first + chunk * j->chunk_tokens, end = begin + j->chunk_tokens;
  if (end > call->first + call->count) end = call->first + call->count;
  int64_t head = piece % j->pieces_per_chunk * j->heads_per_piece, head_end = head + j->heads_per_piece;
  if (head_end > call->kv_heads) head_end = call->kv_heads;
  // Few heads at a time, so that their states' addresses fit here.
  enum { HEADS = 64 };
  for (; head < head_end; head += HEADS) {
    dist_attention_rows rows[HEADS];
    int64_t stop = head + HEADS < head_end ? head + HEADS : head_end;
    for (int64_t h = head; h < stop; ++h) {
      int64_t row = (chunk * call->kv_heads + h) * j->plan.rows_per_head;
      rows[h - head] = (dist_attention_rows){j->output + row * j->plan.padded_dim, j->maximum + row, j->sums + row * LANES};
      memset(rows[h - head].output, 0, (size_t)(j->plan.rows_per_head * j->plan.padded_dim) * sizeof(float));
      memset(rows[h - head].sums, 0, (size_t)(j->plan.rows_per_head * LANES) * sizeof(float));
      for (int64_t r = 0; r < j->plan.rows_per_head; ++r) rows[h - head].maximum[r] = -INFINITY;
    }
    j->tiles->chunk(&j->plan, begin, end, head, stop, rows);
  }
}

// Row `row` of KV head `head`, in the order of the result.
static int64_t result_row(const job *j, int64_t head, int64_t row) {
  return row / j->plan.group * j->plan.call->query_heads + head * j->plan.group + row % j->plan.group;
}

// Merges the chunks of one row in their order.
static void merge_row(const job *j, int64_t head, int64_t row, float *scratch, float *output, float *maximum,
                      float *sum) {
  const int64_t dim = j->plan.padded_dim;
  const int64_t stride = j->plan.call->kv_heads * j->plan.rows_per_head;
  const int64_t first = head * j->plan.rows_per_head + row;
  float largest = -INFINITY, total = 0;
  int has_nan = 0;
  for (int64_t c = 0; c < j->chunks; ++c) {
    float m = j->maximum[c * stride + first];
    if (m > largest) largest = m;
    has_nan |= isnan(m);
  }
  memset(scratch, 0, (size_t)dim * sizeof(float));
  for (int64_t c = 0; c < j->chunks; ++c) {
    float m = j->maximum[c * stride + first];
    if (m == -INFINITY) continue;
    float factor = expf(m - largest);
    const float *part = j->output + (c * stride + first) * dim;
    float sum_of_lanes = 0;
    for (int lane = 0; lane < LANES; ++lane) sum_of_lanes += j->sums[(c * stride + first) * LANES + lane];
    total += sum_of_lanes * factor;
    for (int64_t i = 0; i < dim; ++i) scratch[i] += part[i] * factor;
  }
  int64_t target = result_row(j, head, row);
  maximum[target] = has_nan ? NAN : largest;
  sum[target] = total;
  j->tiles->finish(j->plan.call->element, output + target * j->plan.call->head_dim, scratch, j->plan.call->head_dim,
                   dim);
}

int dist_attention_partial(const dist_attention_call *call, dist_attention_level level, int threads, float *output,
                           float *maximum, float *sum) {
  job j = {.tiles = tiles_of(level, call->element)};
  const int64_t group = call->query_heads / call->kv_heads, pair = j.tiles->pair;
  const int64_t rows = call->queries * call->query_heads;
  const int64_t padded = (call->head_dim + pair - 1) / pair * pair;
  const int64_t query_bytes = padded * j.tiles->query_width(call->element);
  const int64_t element_bytes = call->element == DIST_ATTENTION_FP32 ? 4 : 2;

  // The cut depends on the call alone, never on the threads, so that neither do the bits of the result.
  j.chunk_tokens = (call->count + MAX_CHUNKS - 1) / MAX_CHUNKS;
  if (j.chunk_tokens < MIN_CHUNK) j.chunk_tokens = MIN_CHUNK;
  j.chunk_tokens = (j.chunk_tokens + TILE - 1) / TILE * TILE;
  j.chunks = (call->count + j.chunk_tokens - 1) / j.chunk_tokens;
  // Where a token's heads lie side by side a piece takes them all, to read memory in its order.
  j.heads_per_piece = call->head_stride == call->head_dim ? call->kv_heads : 1;
  j.pieces_per_chunk = (call->kv_heads + j.heads_per_piece - 1) / j.heads_per_piece;

  char *query = NULL;
  float *states = NULL;
  if (posix_memalign((void **)&query, 64, (size_t)(rows * query_bytes)) != 0) return ENOMEM;
  size_t floats = (size_t)(j.chunks * rows * (padded + 1 + LANES) + padded);
  if (posix_memalign((void **)&states, 64, floats * sizeof(float)) != 0) {
    free(query);
    return ENOMEM;
  }
  j.plan = (dist_attention_plan){call, query, call->queries * group, group, padded};
  j.output = states;
  j.maximum = j.output + j.chunks * rows * padded;
  j.sums = j.maximum + j.chunks * rows;
  float *scratch = j.sums + j.chunks * rows * LANES;

  for (int64_t head = 0; head < call->kv_heads; ++head) {
    for (int64_t row = 0; row < j.plan.rows_per_head; ++row) {
      const char *source =
          (const char *)call->query + result_row(&j, head, row) * call->head_dim * element_bytes;
      char *target = query + (head * j.plan.rows_per_head + row) * query_bytes;
      j.tiles->prepare(call->element, target, source, call->head_dim, padded);
    }
  }
  if ((double)rows * (double)call->count * (double)call->head_dim < SERIAL_WORK) threads = 1;
  run_all(run_piece, &j, j.chunks * j.pieces_per_chunk, threads);
  for (int64_t head = 0; head < call->kv_heads; ++head) {
    for (int64_t row = 0; row < j.plan.rows_per_head; ++row) {
      merge_row(&j, head, row, scratch, output, maximum, sum);
    }
  }
  free(states);
  free(query);
  return 0;
}

// MARK: - Bandwidth

typedef struct {
  const char *memory;
  size_t bytes;
  const dist_attention_tiles *tiles;
  atomic_ullong sum;
} reading;

enum { READ_PIECE = 1 << 21 };

static void read_piece(void *context, int64_t piece) {
  reading *r = context;
  size_t start = (size_t)piece * READ_PIECE, length = r->bytes - start < READ_PIECE ? r->bytes - start : READ_PIECE;
  atomic_fetch_add(&r->sum, r->tiles->read(r->memory + start, length));
}

uint64_t dist_attention_read(const void *memory, size_t bytes, dist_attention_level level, int threads) {
  reading r = {memory, bytes, tiles_of(level, DIST_ATTENTION_FP32), 0};
  run_all(read_piece, &r, (int64_t)((bytes + READ_PIECE - 1) / READ_PIECE), threads);
  return r.sum;
}
