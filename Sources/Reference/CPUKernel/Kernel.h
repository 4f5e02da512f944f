// What the driver (Partial.c) and the tiles (Tile.h, once per instruction set) know of each other.
#ifndef DIST_ATTENTION_KERNEL_H
#define DIST_ATTENTION_KERNEL_H

#include "CDistAttention.h"

// Tokens of a tile: its logits stay in registers and first-level cache.
enum { TILE = 64 };
enum { MAX_HEAD_DIM = DIST_ATTENTION_MAX_HEAD_DIM };
// The longest vector, in floats.
enum { LANES = 16 };

// A call as the tiles see it.
typedef struct {
  const dist_attention_call *call;
  // Queries by KV head: [kv_heads, rows_per_head, padded_dim], in the tiles' own order of elements.
  const char *query;
  int64_t rows_per_head;  // queries · group
  int64_t group;
  int64_t padded_dim;  // head_dim up to whole pairs of vectors
} dist_attention_plan;

// A chunk's states for one KV head, in the tiles' own order of elements.
typedef struct {
  float *output;   // [rows_per_head, padded_dim]
  float *maximum;  // [rows_per_head]
  float *sums;     // [rows_per_head, LANES]: a row's sum, spread over the lanes of a vector
} dist_attention_rows;

// One instruction set.
typedef struct {
  int64_t pair;  // Elements that are read at once; rows are padded to a multiple.
  // Bytes of a prepared query element.
  int64_t (*query_width)(dist_attention_element element);
  // Puts one row of queries into the tiles' order, padded with zeros.
  void (*prepare)(dist_attention_element element, void *target, const void *source, int64_t dim, int64_t padded);
  // Undoes the tiles' order for one row of output.
  void (*finish)(dist_attention_element element, float *target, const float *source, int64_t dim, int64_t padded);
  // Attends to tokens [begin, end) of the call's slots with KV heads [head, head_end); `rows` are those heads' states.
  void (*chunk)(const dist_attention_plan *plan, int64_t begin, int64_t end, int64_t head, int64_t head_end,
                const dist_attention_rows *rows);
  // The sum of whole vectors of memory, at reading speed.
  uint64_t (*read)(const void *memory, size_t bytes);
} dist_attention_tiles;

extern const dist_attention_tiles dist_attention_baseline;
#if defined(__x86_64__)
extern const dist_attention_tiles dist_attention_avx2;
extern const dist_attention_tiles dist_attention_avx512;
extern const dist_attention_tiles dist_attention_avx512_bf16;  // for bf16 alone
#endif

#endif
