#if defined(__x86_64__)
#include <immintrin.h>
#include <math.h>
#include <string.h>

#include "Kernel.h"

#pragma clang attribute push( \
    __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,avx2,fma,f16c,bmi2"))), apply_to = function)
#define W 16
#define HALVES 1
#define WIDEN_HALVES(source) ((vf)_mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(source))))
#define BF16_PRODUCTS 1
#define TILES dist_attention_avx512_bf16
#include "Tile.h"
#pragma clang attribute pop
#endif
