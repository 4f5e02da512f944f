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

#endif
