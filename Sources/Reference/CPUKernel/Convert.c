#include "CDistAttention.h"

#include <string.h>

static uint32_t bits_of(float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  return bits;
}

static float float_of(uint32_t bits) {
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

static uint16_t bf16_of(float value) {
  uint32_t bits = bits_of(value);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return (uint16_t)(bits >> 16) | 0x40;  // A NaN stays one.
  return (uint16_t)((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

static uint16_t fp16_of(float value) {
  uint32_t bits = bits_of(value);
  uint16_t sign = (uint16_t)((bits >> 16) & 0x8000);
  bits &= 0x7fffffffu;
  if (bits > 0x7f800000u) return sign | 0x7e00;
  if (bits >= 0x477ff000u) return sign | 0x7c00;  // 65520 and above round to infinity.
  if (bits < 0x38800000u) {
    // Subnormal: adding 0.5 puts the rounding at 2^-24, the step of the subnormals.
    return sign | (uint16_t)(bits_of(float_of(bits) + 0.5f) - 0x3f000000u);
  }
  bits += 0xfff + ((bits >> 13) & 1);
  return sign | (uint16_t)((bits - 0x38000000u) >> 13);
}

static float float_of_fp16(uint16_t half) {
  uint32_t sign = (uint32_t)(half & 0x8000) << 16;
  uint32_t magnitude = half & 0x7fff;
  // 2^112 moves the exponent from one bias to the other, and makes subnormals normal.
  uint32_t bits = magnitude >= 0x7c00 ? 0x7f800000u | (magnitude << 13)
                                      : bits_of(float_of(magnitude << 13) * 0x1p112f);
  return float_of(sign | bits);
}

void dist_attention_round(dist_attention_element element, void *target, const float *source, size_t count) {
  if (element == DIST_ATTENTION_FP32) {
    if (count > 0) memcpy(target, source, count * sizeof(float));
    return;
  }
  uint16_t *halves = target;
  if (element == DIST_ATTENTION_FP16) {
    for (size_t i = 0; i < count; ++i) halves[i] = fp16_of(source[i]);
  } else {
    for (size_t i = 0; i < count; ++i) halves[i] = bf16_of(source[i]);
  }
}

void dist_attention_widen(dist_attention_element element, float *target, const void *source, size_t count) {
  if (element == DIST_ATTENTION_FP32) {
    if (count > 0) memcpy(target, source, count * sizeof(float));
    return;
  }
  const uint16_t *halves = source;
  if (element == DIST_ATTENTION_FP16) {
    for (size_t i = 0; i < count; ++i) target[i] = float_of_fp16(halves[i]);
  } else {
    for (size_t i = 0; i < count; ++i) target[i] = float_of((uint32_t)halves[i] << 16);
  }
}
