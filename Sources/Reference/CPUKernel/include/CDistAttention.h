// Partial attention over a part of a KV cache, for the processor's vector units.
#ifndef CDISTATTENTION_H
#define CDISTATTENTION_H

#include <stddef.h>
#include <stdint.h>

// The number formats of queries, keys and values.
typedef enum {
  DIST_ATTENTION_FP32 = 0,
  DIST_ATTENTION_FP16 = 1,
  DIST_ATTENTION_BF16 = 2,
} dist_attention_element;

// target[i] = source[i] rounded to the nearest element, ties to even.
void dist_attention_round(dist_attention_element element, void *target, const float *source, size_t count);

// target[i] = source[i], exactly.
void dist_attention_widen(dist_attention_element element, float *target, const void *source, size_t count);

// target[i] = mean + spread · z(seed, start + i), rounded, where z is a random number of variance 1 within ±3.5 that
// depends on nothing but (seed, start + i): any part of a random tensor can be made again anywhere.
void dist_attention_random(dist_attention_element element, void *target, uint64_t seed, uint64_t start, size_t count,
                           float mean, float spread);

// The instruction sets that the kernel is compiled for, slowest first.
typedef enum {
  DIST_ATTENTION_BASELINE = 0,  // 128-bit vectors of the compiler: SSE2, NEON.
  DIST_ATTENTION_AVX2 = 1,      // with FMA and F16C
  DIST_ATTENTION_AVX512 = 2,    // F, BW, DQ and VL
  DIST_ATTENTION_AVX512_BF16 = 3,
} dist_attention_level;

// Whether this processor, this system and this build have the instruction set.
int dist_attention_has_level(dist_attention_level level);

enum { DIST_ATTENTION_MAX_HEAD_DIM = 256 };

// One call. Strides are in elements. Token i of the slots lies in slot i / block_tokens at offset i % block_tokens;
// slot s is physical block table[s], and its first token stands at positions[s] in the request.
typedef struct {
  dist_attention_element element;
  int64_t queries, query_heads, kv_heads, head_dim;
  const void *query;          // [queries, query_heads, head_dim]
  const void *keys, *values;  // head h of a token: block · block_stride + offset · token_stride + h · head_stride
  int64_t block_tokens, block_stride, token_stride, head_stride;
  const int32_t *table, *positions;
  int64_t first, count;  // the tokens that count: first ..< first + count
  float scale;
  int causal;              // query i sees positions up to first_position + i
  int64_t window;          // and of these only the last `window`; 0 for all
  int64_t first_position;
  const float *bias;  // [queries, count], added to logits; NULL for none
} dist_attention_call;

// The state over the call's tokens: output MA [rows, head_dim], maximum [rows] (natural logarithm), sum [rows], where
// rows = queries · query_heads. The same bits for any number of threads. 0, or an errno (no memory, no thread).
int dist_attention_partial(const dist_attention_call *call, dist_attention_level level, int threads, float *output,
                           float *maximum, float *sum);

// Reads all of memory once with `threads` threads as fast as this instruction set can, and returns a checksum.
uint64_t dist_attention_read(const void *memory, size_t bytes, dist_attention_level level, int threads);

#endif
