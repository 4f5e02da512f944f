#include "CDistAttention.h"

// SplitMix64's finaliser (Steele, Lea and Flood 2014), over a counter.
static inline uint64_t mixed(uint64_t seed, uint64_t index) {
  uint64_t z = seed + (index + 1) * 0x9E3779B97F4A7C15u;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return z ^ (z >> 31);
}

void dist_attention_random(dist_attention_element element, void *target, uint64_t seed, uint64_t start, size_t count,
                           float mean, float spread) {
  enum { RUN = 256 };
  float values[RUN];
  size_t width = element == DIST_ATTENTION_FP32 ? 4 : 2;
  // The sum of four uniform 16-bit numbers has mean 2 · 65535 and variance 4 · (65536² − 1) / 12.
  const float step = spread * 2.6428998e-5f;
  for (size_t done = 0; done < count; done += RUN) {
    size_t run = count - done < RUN ? count - done : RUN;
    for (size_t i = 0; i < run; ++i) {
      uint64_t bits = mixed(seed, start + done + i);
      int32_t sum = (int32_t)((bits & 0xffff) + (bits >> 16 & 0xffff) + (bits >> 32 & 0xffff) + (bits >> 48));
      values[i] = mean + step * (float)(sum - 2 * 65535);
    }
    dist_attention_round(element, (char *)target + done * width, values, run);
  }
}
