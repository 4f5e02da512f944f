#if defined(__x86_64__)
#include <immintrin.h>
#include <math.h>
#include <string.h>

#include "Kernel.h"

#pragma clang attribute push(__attribute__((target("avx2,fma,f16c,bmi2"))), apply_to = function)
#define W 8
#define HALVES 1
#define WIDEN_HALVES(source) ((vf)_mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(source))))
#define BF16_PRODUCTS 0
#define TILES dist_attention_avx2
#include "Tile.h"
#pragma clang attribute pop
#endif
