// Random calls of the C kernel on every instruction set, built and run by scripts/sanitize-kernel. Every
// array has exactly the size that the header promises is enough, so that a read beyond an end is seen, and results
// are compared with plain attention in double.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "CDistAttention.h"

static uint64_t state = 1;

static uint64_t next(void) {
  uint64_t z = (state += 0x9E3779B97F4A7C15u);
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return z ^ (z >> 31);
}

static int64_t between(int64_t low, int64_t high) { return low + (int64_t)(next() % (uint64_t)(high - low + 1)); }

static void *allocated(size_t bytes) {
  void *memory = malloc(bytes > 0 ? bytes : 1);
  if (!memory) exit(2);
  return memory;
}

// An array of random elements, just as long as it must be.
static void *random_elements(dist_attention_element element, int64_t count, float spread) {
  void *memory = allocated((size_t)count * (element == DIST_ATTENTION_FP32 ? 4 : 2));
  dist_attention_random(element, memory, next(), 0, (size_t)count, 0, spread);
  return memory;
}

static double element_at(dist_attention_element element, const void *memory, int64_t index) {
  float value;
  dist_attention_widen(element, &value, (const char *)memory + index * (element == DIST_ATTENTION_FP32 ? 4 : 2), 1);
  return value;
}

// The largest difference from plain attention in double, over all elements of the output.
static double error_of(const dist_attention_call *c, const float *output, const float *maximum, const float *sum) {
  double worst = 0, *logits = allocated((size_t)c->count * sizeof(double));
  for (int64_t row = 0; row < c->queries * c->query_heads; ++row) {
    int64_t query = row / c->query_heads, head = row % c->query_heads / (c->query_heads / c->kv_heads);
    int64_t own = c->first_position + query;
    double largest = -INFINITY, total = 0;
    for (int64_t t = 0; t < c->count; ++t) {
      int64_t i = c->first + t, slot = i / c->block_tokens, offset = i % c->block_tokens;
      int64_t position = c->positions[slot] + offset;
      int64_t at = c->table[slot] * c->block_stride + offset * c->token_stride + head * c->head_stride;
      double product = 0;
      for (int64_t d = 0; d < c->head_dim; ++d) {
        product += element_at(c->element, c->query, row * c->head_dim + d) * element_at(c->element, c->keys, at + d);
      }
      logits[t] = product * (double)c->scale + (c->bias ? (double)c->bias[query * c->count + t] : 0);
      if ((c->causal && position > own) || (c->window > 0 && position <= own - c->window)) logits[t] = -INFINITY;
      if (logits[t] > largest) largest = logits[t];
    }
    if (largest == -INFINITY) {
      if (maximum[row] != -INFINITY || sum[row] != 0) worst = INFINITY;
      continue;
    }
    for (int64_t t = 0; t < c->count; ++t) total += exp(logits[t] - largest);
    for (int64_t d = 0; d < c->head_dim; ++d) {
      double value = 0;
      for (int64_t t = 0; t < c->count; ++t) {
        int64_t i = c->first + t, slot = i / c->block_tokens, offset = i % c->block_tokens;
        int64_t at = c->table[slot] * c->block_stride + offset * c->token_stride + head * c->head_stride;
        value += exp(logits[t] - largest) * element_at(c->element, c->values, at + d);
      }
      double error = fabs((double)(output[row * c->head_dim + d] / sum[row]) - value / total);
      if (!(error <= worst)) worst = isnan(error) ? INFINITY : error;
    }
  }
  free(logits);
  return worst;
}

int main(int count, char **arguments) {
  int64_t cases = count > 1 ? atoll(arguments[1]) : 400, runs = 0;
  for (int64_t i = 0; i < cases; ++i) {
    dist_attention_call c = {.element = (dist_attention_element)(i % 3)};
    c.queries = between(0, 3) > 0 ? 1 : between(2, 9);
    c.kv_heads = between(1, 3);
    c.query_heads = c.kv_heads * between(1, 9);
    c.head_dim = between(0, 2) > 0 ? between(1, 100) : between(0, 1) > 0 ? 128 : 256;
    c.block_tokens = between(0, 2) > 0 ? between(1, 33) : 4096;
    c.count = between(0, 19) > 0 ? between(0, 200) : between(1000, 3000);
    c.first = between(0, c.block_tokens - 1);
    int64_t slots = (c.first + c.count + c.block_tokens - 1) / c.block_tokens, blocks = slots + between(1, 3);
    int token_major = between(0, 1) > 0;
    c.token_stride = token_major ? c.kv_heads * c.head_dim : c.head_dim;
    c.head_stride = token_major ? c.head_dim : c.block_tokens * c.head_dim;
    c.block_stride = c.block_tokens * c.kv_heads * c.head_dim;
    int32_t *table = allocated((size_t)slots * sizeof *table), *positions = allocated((size_t)slots * sizeof *table);
    for (int64_t s = 0; s < slots; ++s) {
      table[s] = (int32_t)between(0, blocks - 1);
      positions[s] = (int32_t)(s * c.block_tokens);
    }
    c.table = table;
    c.positions = positions;
    void *query = random_elements(c.element, c.queries * c.query_heads * c.head_dim, 1);
    void *keys = random_elements(c.element, blocks * c.block_stride, 1);
    void *values = random_elements(c.element, blocks * c.block_stride, 1);
    c.query = query;
    c.keys = keys;
    c.values = values;
    c.scale = 1 / sqrtf((float)c.head_dim);
    c.causal = between(0, 1) > 0;
    c.window = between(0, 3) > 0 ? 0 : between(1, c.count + 2);
    c.first_position = between(0, 3) > 0 ? c.first + c.count - c.queries : between(-3, c.count);
    float *bias = NULL;
    if (between(0, 4) == 0) {
      bias = allocated((size_t)(c.queries * c.count) * sizeof *bias);
      for (int64_t t = 0; t < c.queries * c.count; ++t) {
        bias[t] = between(0, 3) > 0 ? (float)between(-9, 9) / 8 : -INFINITY;
      }
      c.bias = bias;
    }
    int64_t rows = c.queries * c.query_heads;
    float *output = allocated((size_t)(rows * c.head_dim) * sizeof *output);
    float *maximum = allocated((size_t)rows * sizeof *maximum), *sum = allocated((size_t)rows * sizeof *sum);
    for (int level = 0; level <= DIST_ATTENTION_AVX512_BF16; ++level) {
      if (!dist_attention_has_level((dist_attention_level)level)) continue;
      ++runs;
      int status = dist_attention_partial(&c, (dist_attention_level)level, (int)between(1, 3), output, maximum, sum);
      double error = status == 0 ? error_of(&c, output, maximum, sum) : INFINITY;
      if (!(error <= 4e-5)) {
        printf("case %lld level %d: status %d, error %g\n", (long long)i, level, status, error);
        return 1;
      }
    }
    free(table), free(positions), free(query), free(keys), free(values), free(bias), free(output), free(maximum),
        free(sum);
  }
  printf("%lld runs of %lld shapes, nothing found\n", (long long)runs, (long long)cases);
  return 0;
}
