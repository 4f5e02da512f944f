// The kernel for one instruction set: included by TileBaseline.c, TileAVX2.c and so on, which define
//   W              floats per vector: 4, 8 or 16
//   TILES          the name of the table that is filled at the end
//   HALVES         1 if the processor widens fp16 by itself (F16C, AVX-512)
//   BF16_PRODUCTS  1 if it multiplies bf16 by itself (AVX512-BF16); the table is then for bf16 alone
//
// A tile is up to 64 tokens of one KV head, met by blocks of 1 … W/2 rows (queries of the head's group):
//   logits   W accumulators hold rows × tokens, each a vector over the head's elements; one transposing sum turns them
//            into a vector of W logits
//   softmax  the row's maximum moves first, then weights = exp(logit − maximum)
//   output   weights · values, with as many accumulators, each element of the values widened once per block of rows
//
// "The tiles' order" of elements: two vectors are read at once. Where 16-bit elements are widened by shifts, the first
// vector holds the even elements and the second the odd ones. The logits do not care, as queries are in the same order;
// the output is put right at the end.

#include "Vectors.h"

// MARK: - A block of rows against a tile

// Products of `rows` rows with W / rows tokens, row by row in the lanes of the result.
INLINE vf products(dist_attention_element element, int rows, int64_t pairs, const char *query, int64_t query_stride,
                   const char *keys, const int64_t *offsets) {
  const int tokens = W / rows;
  vf acc[W];
#pragma unroll
  for (int i = 0; i < W; ++i) acc[i] = splat(0);
  for (int64_t j = 0; j < pairs; ++j) {
#if BF16_PRODUCTS
    if (element == DIST_ATTENTION_BF16) {
      __m512bh k[W];
#pragma unroll
      for (int t = 0; t < tokens; ++t) k[t] = (__m512bh)_mm512_loadu_si512(keys + offsets[t] + j * 64);
#pragma unroll
      for (int h = 0; h < rows; ++h) {
        __m512bh q = (__m512bh)_mm512_loadu_si512(query + h * query_stride + j * 64);
#pragma unroll
        for (int t = 0; t < tokens; ++t) {
          acc[h * tokens + t] = (vf)_mm512_dpbf16_ps((__m512)acc[h * tokens + t], q, k[t]);
        }
      }
      continue;
    }
#endif
    const int64_t width = width_of(element);
    if (rows >= 4) {
      vf low[W], high[W];
#pragma unroll
      for (int t = 0; t < tokens; ++t) widen(element, keys + offsets[t] + j * PAIR * width, &low[t], &high[t]);
#pragma unroll
      for (int h = 0; h < rows; ++h) {
        const float *q = (const float *)(query + h * query_stride) + j * PAIR;
        vf first = load(q), second = load(q + W);
#pragma unroll
        for (int t = 0; t < tokens; ++t) {
          acc[h * tokens + t] = acc[h * tokens + t] + first * low[t];
          acc[h * tokens + t] = acc[h * tokens + t] + second * high[t];
        }
      }
    } else {
      vf first[4], second[4];
#pragma unroll
      for (int h = 0; h < rows; ++h) {
        const float *q = (const float *)(query + h * query_stride) + j * PAIR;
        first[h] = load(q);
        second[h] = load(q + W);
      }
#pragma unroll
      for (int t = 0; t < tokens; ++t) {
        vf low, high;
        widen(element, keys + offsets[t] + j * PAIR * width, &low, &high);
#pragma unroll
        for (int h = 0; h < rows; ++h) {
          acc[h * tokens + t] = acc[h * tokens + t] + first[h] * low;
          acc[h * tokens + t] = acc[h * tokens + t] + second[h] * high;
        }
      }
    }
  }
  return transposed_sum(acc);
}

// The same in double, for fp32: W / 2 logits, of `rows` rows (at most W / 2) with W / 2 / rows tokens.
INLINE vd products_double(int rows, int64_t pairs, const char *query, int64_t query_stride, const char *keys,
                          const int64_t *offsets) {
  const int tokens = W / 2 / rows;
  vd acc[W / 2];
#pragma unroll
  for (int i = 0; i < W / 2; ++i) acc[i] = (vd)0.0;
  for (int64_t j = 0; j < pairs * 4; ++j) {
    vd key[W / 2];
#pragma unroll
    for (int t = 0; t < tokens; ++t) {
      half_vf narrow;
      memcpy(&narrow, keys + offsets[t] + j * (int64_t)sizeof narrow, sizeof narrow);
      key[t] = __builtin_convertvector(narrow, vd);
    }
#pragma unroll
    for (int h = 0; h < rows; ++h) {
      vd q;
      memcpy(&q, query + h * query_stride + j * (int64_t)sizeof q, sizeof q);
#pragma unroll
      for (int t = 0; t < tokens; ++t) acc[h * tokens + t] = acc[h * tokens + t] + q * key[t];
    }
  }
  return transposed_sum_double(acc);
}

// A row's logits against a tile. What a logit loses by rounding to fp32 is kept, for fp32 elements, in `low`, so that a
// weight is right however large its logit; for 16-bit elements `low` is not used.
typedef struct {
  float high[TILE] __attribute__((aligned(64)));
  float low[TILE] __attribute__((aligned(64)));
} row_of_logits;

// output[h] = output[h] · decay[h] + Σ weights[h].high[t] · values[t] over pairs [from, from + width) of vectors.
INLINE void accumulate(dist_attention_element element, int rows, int width, int64_t from, int64_t tokens,
                       const row_of_logits *weights, const float *decay, const char *values, const int64_t *offsets,
                       float *output, int64_t stride) {
  vf acc[W];
  const int64_t bytes = PAIR * width_of(element);
  // A tile is summed by itself first: the chain of additions is then its tokens plus the tiles, not their product.
#pragma unroll
  for (int i = 0; i < 2 * rows * width; ++i) acc[i] = splat(0);
  for (int64_t t = 0; t < tokens; ++t) {
    vf low[4], high[4];
#pragma unroll
    for (int j = 0; j < width; ++j) widen(element, values + offsets[t] + (from + j) * bytes, &low[j], &high[j]);
#pragma unroll
    for (int h = 0; h < rows; ++h) {
      vf weight = splat(weights[h].high[t]);
#pragma unroll
      for (int j = 0; j < width; ++j) {
        acc[(h * width + j) * 2] = acc[(h * width + j) * 2] + weight * low[j];
        acc[(h * width + j) * 2 + 1] = acc[(h * width + j) * 2 + 1] + weight * high[j];
      }
    }
  }
#pragma unroll
  for (int h = 0; h < rows; ++h) {
#pragma unroll
    for (int j = 0; j < 2 * width; ++j) {
      float *target = output + h * stride + from * PAIR + j * W;
      store(target, load(target) * splat(decay[h]) + acc[h * 2 * width + j]);
    }
  }
}

// A tile of one KV head: where its tokens are, and what may be seen.
typedef struct {
  int64_t tokens;
  int64_t index;             // of the first token among the call's
  int64_t lowest, highest;   // of the positions
  int64_t positions[TILE];
  int64_t offsets[TILE];     // bytes from `keys` and `values` to a token's row; past the end, those of the last token
  const char *keys, *values;
  // For prefetching: the heads that a tile is computed with (0: leave it to the processor), and the first one's rows.
  int64_t heads, head_bytes, row_bytes;
  const char *first_keys, *first_values;
  int64_t used;  // rows asked for so far
} tile_of_tokens;

enum visibility { NOTHING, SOME, ALL };

INLINE enum visibility seen(const dist_attention_call *call, int64_t query, const tile_of_tokens *tile) {
  int64_t own = call->first_position + query;
  int64_t oldest = call->window > 0 ? own - call->window + 1 : INT64_MIN;
  int64_t newest = call->causal ? own : INT64_MAX;
  if (tile->lowest > newest || tile->highest < oldest) return NOTHING;
  return tile->highest <= newest && tile->lowest >= oldest && !call->bias ? ALL : SOME;
}

// Adds the bias to a row of logits, and −∞ where the query does not see the token.
static void mask(const dist_attention_call *call, int64_t query, const tile_of_tokens *tile, row_of_logits *logits) {
  int64_t own = call->first_position + query;
  int64_t oldest = call->window > 0 ? own - call->window + 1 : INT64_MIN;
  int64_t newest = call->causal ? own : INT64_MAX;
  for (int64_t t = 0; t < tile->tokens; ++t) {
    if (call->bias) {
      double sum = (double)logits->high[t] + logits->low[t] + call->bias[query * call->count + tile->index + t];
      logits->high[t] = (float)sum;
      logits->low[t] = isinf(sum) ? 0 : (float)(sum - logits->high[t]);
    }
    if (tile->positions[t] > newest || tile->positions[t] < oldest) {
      logits->high[t] = -INFINITY;
      logits->low[t] = 0;
    }
  }
}

// Whether any lane is set.
INLINE int any(vi lanes) {
  int32_t out[W], bits = 0;
  memcpy(out, &lanes, sizeof out);
  for (int i = 0; i < W; ++i) bits |= out[i];
  return bits != 0;
}

// Turns a row of logits into weights (in `high`) and moves its maximum and its sums (one per lane); returns by what its
// output decays.
INLINE float softmax(int has_low, int64_t tokens, row_of_logits *logits, float *maximum, float *sums) {
  const float before = *maximum;
  vf largest = splat(before);
  for (int64_t t = 0; t < tokens; t += W) {
    vf logit = load(logits->high + t);
    largest = logit > largest ? logit : largest;
  }
  float now = before, decay = 1;
  vf total = load(sums);
  // A new maximum is rare after the first tiles.
  if (any(largest > splat(before))) {
    now = maximum_of(largest);
    decay = expf(before - now);
    total = total * splat(decay);
    *maximum = now;
  }
  if (now == -INFINITY) {
    // No token, or nothing but NaN: the difference of equal infinities would be a NaN for both.
    for (int64_t t = 0; t < tokens; ++t) {
      if (logits->high[t] != -INFINITY) *maximum = NAN;
      logits->high[t] = 0;
    }
    return 1;
  }
  for (int64_t t = 0; t < tokens; t += W) {
    vf distance = load(logits->high + t) - splat(now);
    if (has_low) distance = distance + load(logits->low + t);
    vf weight = exponential(distance);
    store(logits->high + t, weight);
    total = total + weight;
  }
  store(sums, total);
  return decay;
}

// Into the second-level cache: the first is too small for a tile to come.
#define SECOND_LEVEL 2

// Asks for the next tile while this one is computed: as many rows as are used, in the order in which they lie in memory,
// all heads of a token before the next token.
INLINE void prefetch(int tokens, const tile_of_tokens *next, int64_t used) {
  if (next->heads == 0) return;
  int64_t token = used / next->heads, head = used % next->heads;
  for (int i = 0; i < tokens; ++i) {
    const int64_t offset = next->offsets[token] + head * next->head_bytes;
    for (int64_t line = 0; line < next->row_bytes; line += 64) {
      __builtin_prefetch(next->first_keys + offset + line, 0, SECOND_LEVEL);
      __builtin_prefetch(next->first_values + offset + line, 0, SECOND_LEVEL);
    }
    if (++head == next->heads) {
      head = 0;
      ++token;
    }
  }
}

// `rows` rows of one KV head, from row `first`, against a tile.
INLINE void block(dist_attention_element element, int rows, int64_t pairs, const dist_attention_plan *plan,
                  const tile_of_tokens *tile, const tile_of_tokens *next, const char *query, int64_t first,
                  const dist_attention_rows *state) {
  const dist_attention_call *call = plan->call;
  const int64_t query_stride = plan->padded_dim * query_width(element);
  enum visibility visible[8];
  int is_any = 0;
  for (int h = 0; h < rows; ++h) {
    visible[h] = seen(call, (first + h) / plan->group, tile);
    is_any |= visible[h] != NOTHING;
  }
  if (!is_any) return;

  row_of_logits logits[8];
  const char *block_query = query + first * query_stride;
  const int is_double = element == DIST_ATTENTION_FP32;
  const int tokens = W / rows / (is_double ? 2 : 1);
  for (int64_t t = 0; t < tile->tokens; t += tokens) {
    if (first == 0) prefetch(tokens, next, next->used + t);
    // Tokens past the end repeat the last one, and are then masked.
    if (is_double) {
      vd product = products_double(rows, pairs, block_query, query_stride, tile->keys, tile->offsets + t);
      product = product * (vd)(double)call->scale;
      half_vf high = __builtin_convertvector(product, half_vf);
      half_vf low = __builtin_convertvector(product - __builtin_convertvector(high, vd), half_vf);
      low = low == low ? low : (half_vf)0.0f;  // An infinite logit loses nothing.
      float out[2][W / 2];
      memcpy(out[0], &high, sizeof high);
      memcpy(out[1], &low, sizeof low);
#pragma unroll
      for (int h = 0; h < rows; ++h) {
        memcpy(&logits[h].high[t], out[0] + h * tokens, (size_t)tokens * sizeof(float));
        memcpy(&logits[h].low[t], out[1] + h * tokens, (size_t)tokens * sizeof(float));
      }
    } else {
      vf product = products(element, rows, pairs, block_query, query_stride, tile->keys, tile->offsets + t);
      float out[W];
      store(out, product * splat(call->scale));
#pragma unroll
      for (int h = 0; h < rows; ++h) memcpy(&logits[h].high[t], out + h * tokens, (size_t)tokens * sizeof(float));
    }
  }

  float decay[8];
  const int64_t whole = (tile->tokens + W - 1) / W * W;
  for (int h = 0; h < rows; ++h) {
    int64_t row = first + h;
    for (int64_t t = tile->tokens; t < whole; ++t) logits[h].high[t] = -INFINITY, logits[h].low[t] = 0;
    if (visible[h] != ALL) {
      if (!is_double) memset(logits[h].low, 0, sizeof logits[h].low);
      mask(call, row / plan->group, tile, &logits[h]);
    }
    decay[h] = softmax(is_double, whole, &logits[h], &state->maximum[row], &state->sums[row * LANES]);
  }

  float *output = state->output + first * plan->padded_dim;
  const int width = W / (2 * rows) < 4 ? W / (2 * rows) : 4;
  int64_t j = 0;
  for (; j + width <= pairs; j += width) {
    accumulate(element, rows, width, j, tile->tokens, logits, decay, tile->values, tile->offsets, output,
               plan->padded_dim);
  }
  for (; j < pairs; ++j) {
    accumulate(element, rows, 1, j, tile->tokens, logits, decay, tile->values, tile->offsets, output,
               plan->padded_dim);
  }
}

// All rows of one KV head against a tile, in the largest blocks that fit.
INLINE void all_rows(dist_attention_element element, int64_t pairs, const dist_attention_plan *plan,
                     const tile_of_tokens *tile, const tile_of_tokens *next, const char *query,
                     const dist_attention_rows *state) {
  int64_t row = 0;
#if W == 16
  for (; row + 8 <= plan->rows_per_head; row += 8) block(element, 8, pairs, plan, tile, next, query, row, state);
#endif
#if W >= 8
  for (; row + 4 <= plan->rows_per_head; row += 4) block(element, 4, pairs, plan, tile, next, query, row, state);
#endif
  for (; row + 2 <= plan->rows_per_head; row += 2) block(element, 2, pairs, plan, tile, next, query, row, state);
  for (; row < plan->rows_per_head; ++row) block(element, 1, pairs, plan, tile, next, query, row, state);
}

// The common head sizes get code of their own.
#define FOR_ELEMENT(element) \
  static void all_rows_##element(int64_t pairs, const dist_attention_plan *plan, \
                                 const tile_of_tokens *tile, const tile_of_tokens *next, \
                                 const char *query, const dist_attention_rows *state) { \
    if (pairs == 128 / PAIR) { \
      all_rows(DIST_ATTENTION_##element, 128 / PAIR, plan, tile, next, query, state); \
    } else { \
      all_rows(DIST_ATTENTION_##element, pairs, plan, tile, next, query, state); \
    } \
  }
#if !BF16_PRODUCTS
FOR_ELEMENT(FP32)
FOR_ELEMENT(FP16)
#endif
FOR_ELEMENT(BF16)

// MARK: - A chunk

// Sets out the tile of the tokens [begin, end) of the slots, but for its head.
static void locate(const dist_attention_call *call, int64_t begin, int64_t end, tile_of_tokens *tile) {
  const int64_t width = width_of(call->element);
  tile->tokens = end - begin;
  tile->index = begin - call->first;
  tile->lowest = INT64_MAX;
  tile->highest = INT64_MIN;
  int64_t slot = begin / call->block_tokens, offset = begin % call->block_tokens;
  for (int64_t done = 0; done < tile->tokens; ++slot, offset = 0) {
    int64_t run = call->block_tokens - offset;
    if (run > tile->tokens - done) run = tile->tokens - done;
    const int64_t position = call->positions[slot] + offset, step = call->token_stride * width;
    const int64_t start = (call->table[slot] * call->block_stride + offset * call->token_stride) * width;
    if (position < tile->lowest) tile->lowest = position;
    if (position + run - 1 > tile->highest) tile->highest = position + run - 1;
    for (int64_t i = 0; i < run; ++i) {
      tile->positions[done + i] = position + i;
      tile->offsets[done + i] = start + i * step;
    }
    done += run;
  }
  for (int64_t i = tile->tokens; i < TILE; ++i) tile->offsets[i] = tile->offsets[tile->tokens - 1];
}

// Rows that are no whole number of vector pairs, copied to where they may be read beyond their end.
typedef struct {
  char keys[TILE][MAX_HEAD_DIM * sizeof(float)] __attribute__((aligned(64)));
  char values[TILE][MAX_HEAD_DIM * sizeof(float)] __attribute__((aligned(64)));
} padded_copies;

static void copy_padded(const tile_of_tokens *tile, int64_t bytes, padded_copies *copies, tile_of_tokens *padded) {
  *padded = *tile;
  padded->keys = copies->keys[0];
  padded->values = copies->values[0];
  for (int64_t t = 0; t < TILE; ++t) {
    int64_t row = t < tile->tokens ? t : tile->tokens - 1;
    padded->offsets[t] = row * (int64_t)sizeof copies->keys[0];
    memcpy(copies->keys[row], tile->keys + tile->offsets[row], (size_t)bytes);
    memcpy(copies->values[row], tile->values + tile->offsets[row], (size_t)bytes);
  }
}

static void chunk(const dist_attention_plan *plan, int64_t begin, int64_t end, int64_t head, int64_t head_end,
                  const dist_attention_rows *rows) {
  const dist_attention_call *call = plan->call;
  const int64_t head_bytes = call->head_stride * width_of(call->element), pairs = plan->padded_dim / PAIR;
  const int64_t query_bytes = plan->rows_per_head * plan->padded_dim * query_width(call->element);
  const int is_padded = call->head_dim != plan->padded_dim;
  padded_copies copies;
  if (is_padded) memset(&copies, 0, sizeof copies);

  // One stream of rows, read as fast as it comes, is what processors prefetch best by themselves.
  const int is_stream =
      call->token_stride == call->head_dim && call->block_tokens >= 4 * TILE && plan->rows_per_head == 1;
  tile_of_tokens tiles[2], padded;
  for (int i = 0; i < 2; ++i) {
    tiles[i].first_keys = (const char *)call->keys + head * head_bytes;
    tiles[i].first_values = (const char *)call->values + head * head_bytes;
    tiles[i].head_bytes = head_bytes;
    tiles[i].row_bytes = call->head_dim * width_of(call->element);
  }
  if (begin < end) locate(call, begin, end - begin < TILE ? end : begin + TILE, &tiles[0]);
  for (int here = 0; begin < end; begin += TILE, here ^= 1) {
    tile_of_tokens *tile = &tiles[here], *next = &tiles[here ^ 1];
    const int is_last = begin + TILE >= end;
    if (!is_last) locate(call, begin + TILE, end - begin - TILE < TILE ? end : begin + 2 * TILE, next);
    next->heads = is_last || is_stream ? 0 : head_end - head;
    for (int64_t h = head; h < head_end; ++h) {
      tile->keys = (const char *)call->keys + h * head_bytes;
      tile->values = (const char *)call->values + h * head_bytes;
      next->used = (h - head) * TILE;
      if (is_padded) copy_padded(tile, tile->row_bytes, &copies, &padded);
      const tile_of_tokens *shown = is_padded ? &padded : tile;
      const char *query = plan->query + h * query_bytes;
      switch (call->element) {
#if !BF16_PRODUCTS
        case DIST_ATTENTION_FP32: all_rows_FP32(pairs, plan, shown, next, query, &rows[h - head]); break;
        case DIST_ATTENTION_FP16: all_rows_FP16(pairs, plan, shown, next, query, &rows[h - head]); break;
#endif
        case DIST_ATTENTION_BF16: all_rows_BF16(pairs, plan, shown, next, query, &rows[h - head]); break;
        default: __builtin_unreachable();
      }
    }
  }
}

// MARK: - The table

static int64_t query_width_of(dist_attention_element element) { return query_width(element); }

static void prepare(dist_attention_element element, void *target, const void *source, int64_t dim, int64_t padded) {
  const int64_t width = width_of(element);
  char row[MAX_HEAD_DIM * sizeof(float)];
  memset(row, 0, sizeof row);
  memcpy(row, source, (size_t)(dim * width));
  if (BF16_PRODUCTS && element == DIST_ATTENTION_BF16) {
    memcpy(target, row, (size_t)padded * 2);
    return;
  }
  if (element == DIST_ATTENTION_FP32) {
    for (int64_t i = 0; i < padded; ++i) ((double *)target)[i] = ((const float *)row)[i];
    return;
  }
  for (int64_t j = 0; j < padded; j += PAIR) {
    vf low, high;
    widen(element, row + j * width, &low, &high);
    store((float *)target + j, low);
    store((float *)target + j + W, high);
  }
}

static void finish(dist_attention_element element, float *target, const float *source, int64_t dim, int64_t padded) {
  (void)padded;
  for (int64_t i = 0; i < dim; ++i) {
    int64_t start = i / PAIR * PAIR, offset = i % PAIR;
    target[i] = source[is_interleaved(element) ? start + offset / 2 + (offset % 2) * W : i];
  }
}

static uint64_t read_all(const void *memory, size_t bytes) {
  vu acc[8];
  for (int i = 0; i < 8; ++i) acc[i] = 0;
  const char *source = memory;
  for (size_t done = 0; done + sizeof acc <= bytes; done += sizeof acc) {
#pragma unroll
    for (int i = 0; i < 8; ++i) {
      vu v;
      memcpy(&v, source + done + (size_t)i * sizeof v, sizeof v);
      acc[i] += v;
    }
  }
  uint64_t sum = 0;
  for (int i = 0; i < 8; ++i) {
    for (int lane = 0; lane < W; ++lane) sum += acc[i][lane];
  }
  return sum;
}

const dist_attention_tiles TILES = {PAIR, query_width_of, prepare, finish, chunk, read_all};
