// Vectors of W floats and what the tiles (Tile.h) do with them: widening elements, sums over lanes, exponentials.

#include <math.h>
#include <string.h>

#include "Kernel.h"

typedef float vf __attribute__((ext_vector_type(W)));
typedef double vd __attribute__((ext_vector_type(W / 2)));
typedef float half_vf __attribute__((ext_vector_type(W / 2)));
typedef int32_t vi __attribute__((ext_vector_type(W)));
typedef uint32_t vu __attribute__((ext_vector_type(W)));

#define INLINE static inline __attribute__((always_inline))

enum { PAIR = 2 * W };

INLINE vf load(const float *source) {
  vf v;
  memcpy(&v, source, sizeof v);
  return v;
}

INLINE void store(float *target, vf v) { memcpy(target, &v, sizeof v); }

INLINE vf splat(float value) { return (vf)value; }

// MARK: - Elements

INLINE int64_t width_of(dist_attention_element element) { return element == DIST_ATTENTION_FP32 ? 4 : 2; }

// Bytes of a query's element as the tiles read it: bf16 where it is multiplied as such, double for fp32, else fp32.
INLINE int64_t query_width(dist_attention_element element) {
  if (element == DIST_ATTENTION_FP32) return sizeof(double);
  return BF16_PRODUCTS && element == DIST_ATTENTION_BF16 ? 2 : (int64_t)sizeof(float);
}

INLINE int is_interleaved(dist_attention_element element) {
  return element == DIST_ATTENTION_BF16 || (element == DIST_ATTENTION_FP16 && !HALVES);
}

// fp16 in the low halves of 32 bits.
INLINE vf widened_halves(vu half) {
  vu sign = (half & 0x8000u) << 16;
  vu magnitude = half & 0x7fffu;
  // 2^112 moves the exponent from one bias to the other, and makes subnormals normal.
  vu finite = (vu)((vf)(magnitude << 13) * splat(0x1p112f));
  vu special = 0x7f800000u | (magnitude << 13);
  return (vf)(sign | (magnitude >= 0x7c00u ? special : finite));
}

// 2W elements as two vectors, in the tiles' order.
INLINE void widen(dist_attention_element element, const char *source, vf *low, vf *high) {
  if (element == DIST_ATTENTION_FP32) {
    *low = load((const float *)source);
    *high = load((const float *)source + W);
    return;
  }
#if HALVES
  if (element == DIST_ATTENTION_FP16) {
    *low = WIDEN_HALVES(source);
    *high = WIDEN_HALVES(source + 2 * W);
    return;
  }
#endif
  vu both;
  memcpy(&both, source, sizeof both);
  if (element == DIST_ATTENTION_BF16) {
    *low = (vf)(both << 16);
    *high = (vf)(both & 0xffff0000u);
  } else {
    *low = widened_halves(both & 0xffffu);
    *high = widened_halves(both >> 16);
  }
}

// MARK: - Sums

// Lane i of the result is the sum of the lanes of acc[i]: each level adds halves of two vectors into one.
#define TRANSPOSED_SUM_2(name, vector) \
  INLINE vector name(const vector acc[2]) { \
    return __builtin_shufflevector(acc[0], acc[1], 0, 2) + __builtin_shufflevector(acc[0], acc[1], 1, 3); \
  }
#define TRANSPOSED_SUM_4(name, vector) \
  INLINE vector name(const vector acc[4]) { \
    vector a[2]; \
    _Pragma("unroll") for (int i = 0; i < 2; ++i) { \
      a[i] = __builtin_shufflevector(acc[i], acc[i + 2], 0, 1, 4, 5) + \
             __builtin_shufflevector(acc[i], acc[i + 2], 2, 3, 6, 7); \
    } \
    return __builtin_shufflevector(a[0], a[1], 0, 4, 2, 6) + __builtin_shufflevector(a[0], a[1], 1, 5, 3, 7); \
  }
#define TRANSPOSED_SUM_8(name, vector) \
  INLINE vector name(const vector acc[8]) { \
    vector a[4], b[2]; \
    _Pragma("unroll") for (int i = 0; i < 4; ++i) { \
      a[i] = __builtin_shufflevector(acc[i], acc[i + 4], 0, 1, 2, 3, 8, 9, 10, 11) + \
             __builtin_shufflevector(acc[i], acc[i + 4], 4, 5, 6, 7, 12, 13, 14, 15); \
    } \
    _Pragma("unroll") for (int i = 0; i < 2; ++i) { \
      b[i] = __builtin_shufflevector(a[i], a[i + 2], 0, 1, 8, 9, 4, 5, 12, 13) + \
             __builtin_shufflevector(a[i], a[i + 2], 2, 3, 10, 11, 6, 7, 14, 15); \
    } \
    return __builtin_shufflevector(b[0], b[1], 0, 8, 2, 10, 4, 12, 6, 14) + \
           __builtin_shufflevector(b[0], b[1], 1, 9, 3, 11, 5, 13, 7, 15); \
  }
#define TRANSPOSED_SUM_16(name, vector) \
  INLINE vector name(const vector acc[16]) { \
    vector a[8], b[4], c[2]; \
    _Pragma("unroll") for (int i = 0; i < 8; ++i) { \
      a[i] = __builtin_shufflevector(acc[i], acc[i + 8], 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23) + \
             __builtin_shufflevector(acc[i], acc[i + 8], 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, \
                                     31); \
    } \
    _Pragma("unroll") for (int i = 0; i < 4; ++i) { \
      b[i] = __builtin_shufflevector(a[i], a[i + 4], 0, 1, 2, 3, 16, 17, 18, 19, 8, 9, 10, 11, 24, 25, 26, 27) + \
             __builtin_shufflevector(a[i], a[i + 4], 4, 5, 6, 7, 20, 21, 22, 23, 12, 13, 14, 15, 28, 29, 30, 31); \
    } \
    _Pragma("unroll") for (int i = 0; i < 2; ++i) { \
      c[i] = __builtin_shufflevector(b[i], b[i + 2], 0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29) + \
             __builtin_shufflevector(b[i], b[i + 2], 2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31); \
    } \
    return __builtin_shufflevector(c[0], c[1], 0, 16, 2, 18, 4, 20, 6, 22, 8, 24, 10, 26, 12, 28, 14, 30) + \
           __builtin_shufflevector(c[0], c[1], 1, 17, 3, 19, 5, 21, 7, 23, 9, 25, 11, 27, 13, 29, 15, 31); \
  }
#if W == 16
TRANSPOSED_SUM_16(transposed_sum, vf)
TRANSPOSED_SUM_8(transposed_sum_double, vd)
#elif W == 8
TRANSPOSED_SUM_8(transposed_sum, vf)
TRANSPOSED_SUM_4(transposed_sum_double, vd)
#else
TRANSPOSED_SUM_4(transposed_sum, vf)
TRANSPOSED_SUM_2(transposed_sum_double, vd)
#endif

// A NaN beside a number is passed over here; it comes back with the weights.
INLINE float maximum_of(vf v) {
  float lanes[W], largest = -INFINITY;
  store(lanes, v);
  for (int i = 0; i < W; ++i) largest = lanes[i] > largest ? lanes[i] : largest;
  return largest;
}

// e^x for x ≤ 0, and 0 below −87, where it would soon be subnormal. Relative error below 2^-23; a NaN stays one.
INLINE vf exponential(vf x) {
  const float shift = 0x1.8p23f;  // Adding it rounds to a whole number.
  vf shifted = x * splat(0x1.715476p0f) + splat(shift);
  vf whole = shifted - splat(shift);
  // ln 2 in two parts; the product with the first is exact.
  vf r = x - whole * splat(0x1.62e4p-1f);
  r = r - whole * splat(0x1.7f7d1cp-20f);
  // The minimax polynomial of degree 6 for |r| ≤ ln 2 / 2 (3e-9; our own fit).
  vf p = splat(0.0013814611593261361f);
  p = p * r + splat(0.008368710055947304f);
  p = p * r + splat(0.04166838899254799f);
  p = p * r + splat(0.1666652113199234f);
  p = p * r + splat(0.4999999403953552f);
  p = p * r + splat(1.0f);
  p = p * r + splat(1.0f);
  vf power = (vf)(((vu)shifted + (127u - 0x4b400000u)) << 23);
  return x < splat(-87.0f) ? splat(0.0f) : p * power;
}
