// 128-bit vectors as the compiler makes them: SSE2 on x86-64, NEON on arm64.
#define W 4
#define HALVES 0
#define BF16_PRODUCTS 0
#define TILES dist_attention_baseline
#include "Tile.h"
