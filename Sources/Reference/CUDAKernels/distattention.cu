// DistAttention on a GPU: attention over a part of a paged KV cache, and the merge of such parts.
//
// The algebra.  A part of the cache gives a row (a query token and head) the state (MA, m, e):
//
//     m = max s_t      e = sum exp(s_t - m)      MA[c] = sum exp(s_t - m) V[t][c]      s_t = scale q . K[t] + bias_t
//
// over the part's visible tokens t; (0, -inf, 0) if there are none. Logarithms are natural. States merge in any order,
// and MA / e of the whole is attention. The same merge is used here between the warps of a block, and by `merge_states`
// between blocks and hosts.
//
// Partial attention: one block for (KV head and tile of rows, split, sequence).
//
//     grid   = (kv_heads * row_tiles, splits, sequences)      block = 128 threads, four warps
//     row    = query token * group + query head of the group; a tile is ROWS rows, 1, 4 or 8
//     split  = split_tokens tokens of the sequence's part, from y * split_tokens on
//
// All query heads of a group read the same KV head, so a tile of rows reads each K and V once. Within a split the warps
// take tiles of 16 tokens in turn. Each has its own state, its own shared memory and its own pace: the block meets once,
// at the end. A lane owns 8 of the DIM columns, 16 bytes of K and of V, hence LANES = DIM / 8 lanes read a token and a
// warp 32 / LANES tokens at once. It goes through a tile like this:
//
//     K in flight | wait | q.K, folded over the lanes of a token -> scores | next K in flight
//     V in flight |      | running maximum, exp -> weights                 | wait | acc += weight * V | next V in flight
//
// K and V come by cp.async, 16 bytes a lane, each lane into the place that only itself reads: waiting for one's own
// copies is then enough. Scores and weights change hands through shared memory, between two __syncwarp.
//
// Arithmetic is fp32 throughout. The cost per token and row is 16 fused multiply-adds a lane and one exponential a row,
// so 8 rows are about where fp32 units, and not HBM, become the limit of an A100 or H100; tensor cores would be next.
//
// Needs sm_80 (cp.async) and no header, so that NVRTC, nvcc and clang compile it as it is.

typedef unsigned int u32;
typedef unsigned short u16;
typedef unsigned long long u64;

static constexpr u32 WARP = 32;
static constexpr u32 WARPS = 4;
static constexpr u32 TILE = 16;  // tokens that a warp takes at once
static constexpr u32 ALL = 0xffffffffu;

/// What one launch is about. `LaunchShape` in LaunchPlan.swift has the same fields in the same order. Strides: elements.
struct Shape {
  u64 block_stride;   // from one block of the cache to the next
  u64 token_stride;   // from one token to the next within a block
  u64 head_stride;    // from one head to the next within a token
  u32 block_tokens;   // tokens per block
  u32 table_stride;   // slots per sequence
  u32 split_tokens;   // tokens per split, a multiple of TILE
  u32 kv_heads;
  u32 group;          // query heads per KV head
  u32 queries;        // query tokens per sequence
  u32 causal;         // 1: a query sees no token after itself
  u32 window;         // a query sees this many tokens up to itself; 0: all
  u32 bias_stride;    // tokens per row of the bias
  float scale;        // of q . k
};

__device__ inline float negative_infinity() { return __int_as_float(0xff800000); }

// exp(x) = 2^(x log2 e). For x = s - m the difference is exact where it matters, near the maximum. exp(-inf) = 0.
__device__ inline float exponential(float x) {
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x * 1.4426950408889634f));
  return y;
}

// Moves 16 bytes to shared memory some time before `wait_for_copies`; zeros, reading nothing, unless `valid`.
__device__ inline void copy_async(void *shared, const void *global, bool valid) {
  asm volatile("{ .reg .u64 s; cvta.to.shared.u64 s, %0; cp.async.cg.shared.global [s], [%1], 16, %2; }" ::"l"(shared),
               "l"(global), "r"(valid ? 16 : 0)
               : "memory");
}
__device__ inline void commit_copies() { asm volatile("cp.async.commit_group;" ::: "memory"); }
template <int PENDING>
__device__ inline void wait_for_copies() {
  asm volatile("cp.async.wait_group %0;" ::"n"(PENDING) : "memory");
}

struct Half {
  static __device__ float low(u32 pair) { return one(u16(pair)); }
  static __device__ float high(u32 pair) { return one(u16(pair >> 16)); }
  static __device__ float one(u16 bits) {
    float x;
    asm("cvt.f32.f16 %0, %1;" : "=f"(x) : "h"(bits));
    return x;
  }
};

struct BFloat {
  static __device__ float low(u32 pair) { return __int_as_float(pair << 16); }
  static __device__ float high(u32 pair) { return __int_as_float(pair & 0xffff0000u); }
};

template <class T>
__device__ inline void unpack(float (&x)[8], uint4 bits) {
  x[0] = T::low(bits.x), x[1] = T::high(bits.x), x[2] = T::low(bits.y), x[3] = T::high(bits.y);
  x[4] = T::low(bits.z), x[5] = T::high(bits.z), x[6] = T::low(bits.w), x[7] = T::high(bits.w);
}

/// Where a token's keys and values lie, in elements, and its position in the sequence.
struct Place {
  u64 at;
  int position;
};
static constexpr u64 NOWHERE = ~0ull;

// Sums x[r] over each LANES neighbouring lanes, for all ROWS at once: as long as there are rows to share out, each lane
// gives half of its rows to its partner and keeps the other half. Returns the sum of row (lane % LANES) / (LANES / ROWS).
template <u32 LANES, u32 ROWS>
__device__ inline float fold(float (&x)[ROWS], u32 lane) {
  u32 rows = ROWS;
#pragma unroll
  for (u32 distance = LANES / 2; distance > 0; distance /= 2) {
    const bool upper = lane & distance, halve = rows > 1;
    if (halve) rows /= 2;
#pragma unroll
    for (u32 r = 0; r < rows; r++) {
      const float mine = halve && upper ? x[r + rows] : x[r];
      const float theirs = halve && !upper ? x[r + rows] : x[r];
      x[r] = mine + __shfl_xor_sync(ALL, theirs, distance);
    }
  }
  return x[0];
}

/// Partial attention over a part of each sequence's cache.
///
/// query        (sequences, queries, kv_heads * group, DIM), 16-byte aligned
/// keys, values blocks of tokens of heads, as the strides say; each head of a token is 16-byte aligned
/// table        (sequences, table_stride): the block in each slot of the part
/// positions    (sequences, table_stride): the position in the sequence of the slot's first token
/// range        (sequences, 2): first and last + 1 of the part's tokens, counted from slot 0; may be empty
/// first_query  (sequences): the position of query 0
/// bias         (sequences, queries, bias_stride), added to the logits of the range's tokens; may be null
/// ma           (splits, sequences, queries, kv_heads * group, DIM)
/// m, e         (splits, sequences, queries, kv_heads * group)
template <class T, u32 DIM, u32 ROWS>
__device__ __forceinline__ void partial_attention(const u16 *__restrict__ query, const u16 *__restrict__ keys,
                                         const u16 *__restrict__ values, const u32 *__restrict__ table,
                                         const int *__restrict__ positions, const u32 *__restrict__ range,
                                         const int *__restrict__ first_query, const float *__restrict__ bias,
                                         float *__restrict__ ma, float *__restrict__ m, float *__restrict__ e,
                                         const Shape shape) {
  constexpr u32 LANES = DIM / 8;                  // lanes that read a token
  constexpr u32 AT_ONCE = WARP / LANES;           // tokens that a warp reads at once
  constexpr u32 STEPS = TILE / AT_ONCE;           // steps through a tile
  constexpr int STEPS_UNROLLED = ROWS == 1 ? 4 : 1;
  constexpr u32 SCORES = (TILE * ROWS + 31) / 32; // scores of a tile per lane

  __shared__ uint4 shared_k[WARPS][TILE][LANES];
  __shared__ uint4 shared_v[WARPS][TILE][LANES];
  __shared__ __align__(16) float shared_p[WARPS][TILE * ROWS];  // [token][row]: scores, then weights
  __shared__ float shared_m[WARPS][ROWS];
  __shared__ float shared_e[WARPS][ROWS];

  const u32 lane = threadIdx.x % WARP, warp = threadIdx.x / WARP;
  const u32 column = lane % LANES, slot = lane / LANES;
  const u32 rows = shape.group * shape.queries;
  const u32 tiles = (rows + ROWS - 1) / ROWS;
  const u32 head = blockIdx.x / tiles, first_row = blockIdx.x % tiles * ROWS;
  const u32 split = blockIdx.y, sequence = blockIdx.z;
  const u32 heads = shape.kv_heads * shape.group;

  // The columns of this lane in all rows of the tile. Rows beyond the last stay zero and are not stored.
  float q[ROWS][8];
#pragma unroll
  for (u32 r = 0; r < ROWS; r++) {
    const u32 row = first_row + r;
    uint4 bits = {0, 0, 0, 0};
    if (row < rows) {
      const u32 token = row / shape.group, in_group = row % shape.group;
      const u64 state = (u64(sequence) * shape.queries + token) * heads + head * shape.group + in_group;
      bits = ((const uint4 *)(query + state * DIM))[column];
    }
    unpack<T>(q[r], bits);
#pragma unroll
    for (u32 c = 0; c < 8; c++) q[r][c] *= shape.scale;
  }

  // A row sees the positions from `first` to `last`; a tile of rows those from its first row's to its last row's.
  const auto first = [&](u32 row) {
    return shape.window ? first_query[sequence] + int(row / shape.group) - int(shape.window) + 1 : -0x7fffffff;
  };
  const auto last = [&](u32 row) {
    return shape.causal ? first_query[sequence] + int(row / shape.group) : 0x7fffffff;
  };
  const u32 my_row = min(first_row + column / (LANES / ROWS), rows - 1);  // the row that `fold` gives to this lane
  const int my_first = first(my_row), my_last = last(my_row);
  const int tile_first = first(first_row), tile_last = last(min(first_row + ROWS, rows) - 1);
  const float *my_bias =
      bias ? bias + (u64(sequence) * shape.queries + my_row / shape.group) * shape.bias_stride : nullptr;

  const u32 range_begin = range[2 * sequence], range_end = range[2 * sequence + 1];
  const u32 begin = range_begin + split * shape.split_tokens;
  const u32 end = min(begin + shape.split_tokens, range_end);

  // Lane t finds token t of a tile for all, so that it is looked up once. What no row sees is not read.
  const auto find = [&](u32 tile) {
    const u32 token = tile + lane % TILE;
    Place place = {NOWHERE, 0};
    if (token >= end) return place;
    const u32 slot = token / shape.block_tokens, offset = token % shape.block_tokens;
    const u64 entry = u64(sequence) * shape.table_stride + slot;
    place.position = positions[entry] + int(offset);
    if (place.position >= tile_first && place.position <= tile_last)
      place.at = table[entry] * shape.block_stride + offset * shape.token_stride + head * shape.head_stride;
    return place;
  };
  const auto copy = [&](uint4(&to)[TILE][LANES], const u16 *from, const Place &place) {
#pragma unroll 2
    for (u32 step = 0; step < STEPS; step++) {
      const u32 t = step * AT_ONCE + slot;
      const u64 at = __shfl_sync(ALL, place.at, t);
      copy_async(&to[t][column], at == NOWHERE ? from : from + at + column * 8, at != NOWHERE);
    }
    commit_copies();
  };

  float acc[ROWS][8] = {};
  float running_m = negative_infinity(), running_e = 0;  // of row lane % ROWS; e over this lane's tokens only
  float *p = shared_p[warp];

  u32 tile = begin + warp * TILE;
  Place place = find(tile);
  copy(shared_k[warp], keys, place);
  copy(shared_v[warp], values, place);
  for (; tile < end; tile += WARPS * TILE) {
    const Place next = find(tile + WARPS * TILE);

    wait_for_copies<1>();  // K is here, V may be on its way
#pragma unroll STEPS_UNROLLED
    for (u32 step = 0; step < STEPS; step++) {
      const u32 t = step * AT_ONCE + slot;
      float k[8], dot[ROWS];
      unpack<T>(k, shared_k[warp][t][column]);
#pragma unroll
      for (u32 r = 0; r < ROWS; r++) {
        dot[r] = 0;
#pragma unroll
        for (u32 c = 0; c < 8; c++) dot[r] += q[r][c] * k[c];
      }
      const float logit = fold<LANES, ROWS>(dot, lane);
      const int position = __shfl_sync(ALL, place.position, t);
      const bool visible = tile + t < end && position >= my_first && position <= my_last;
      if (column % (LANES / ROWS) == 0) {
        const u32 row = column / (LANES / ROWS);
        p[t * ROWS + row] = !visible ? negative_infinity() : my_bias ? logit + my_bias[tile + t - range_begin] : logit;
      }
    }
    copy(shared_k[warp], keys, next);
    __syncwarp();

    // Lane l has scores l, l + 32, ... of [token][row]: all of row l % ROWS.
    float s[SCORES], tile_m = running_m;
#pragma unroll
    for (u32 i = 0; i < SCORES; i++) {
      s[i] = i * WARP + lane < TILE * ROWS ? p[i * WARP + lane] : negative_infinity();
      tile_m = fmaxf(tile_m, s[i]);
    }
#pragma unroll
    for (u32 distance = WARP / 2; distance >= ROWS; distance /= 2)
      tile_m = fmaxf(tile_m, __shfl_xor_sync(ALL, tile_m, distance));
    const float reference = tile_m == negative_infinity() ? 0 : tile_m;  // -inf - -inf is no number
    const float shrink = exponential(running_m - reference);
    running_m = tile_m;
    running_e *= shrink;
#pragma unroll
    for (u32 i = 0; i < SCORES; i++) {
      const float weight = exponential(s[i] - reference);
      running_e += weight;
      if (i * WARP + lane < TILE * ROWS) p[i * WARP + lane] = weight;
    }
#pragma unroll
    for (u32 r = 0; r < ROWS; r++) {
      const float factor = __shfl_sync(ALL, shrink, r);
#pragma unroll
      for (u32 c = 0; c < 8; c++) acc[r][c] *= factor;
    }
    __syncwarp();

    wait_for_copies<1>();  // V is here, the next K may be on its way
#pragma unroll STEPS_UNROLLED
    for (u32 step = 0; step < STEPS; step++) {
      const u32 t = step * AT_ONCE + slot;
      float v[8];
      unpack<T>(v, shared_v[warp][t][column]);
#pragma unroll
      for (u32 r = 0; r < ROWS; r++) {
        const float weight = p[t * ROWS + r];
#pragma unroll
        for (u32 c = 0; c < 8; c++) acc[r][c] += weight * v[c];
      }
    }
    copy(shared_v[warp], values, next);
    place = next;
    __syncwarp();  // all weights are read before the next scores overwrite them
  }
  wait_for_copies<0>();

  // The warp's state: lanes with the same columns hold different tokens, lanes with the same row different parts of e.
#pragma unroll
  for (u32 distance = WARP / 2; distance >= ROWS; distance /= 2)
    running_e += __shfl_xor_sync(ALL, running_e, distance);
#pragma unroll
  for (u32 r = 0; r < ROWS; r++)
#pragma unroll
    for (u32 c = 0; c < 8; c++)
#pragma unroll
      for (u32 distance = WARP / 2; distance >= LANES; distance /= 2)
        acc[r][c] += __shfl_xor_sync(ALL, acc[r][c], distance);

  // The block's state: the warps' merged. K's place is free now: no copy is under way and each warp writes into its own.
  static_assert(ROWS * DIM * sizeof(float) <= sizeof(shared_k[0]), "a warp's accumulators fit in its part of K");
  __syncwarp();
  float *warp_ma = (float *)shared_k[warp];
  if (lane < ROWS) shared_m[warp][lane] = running_m, shared_e[warp][lane] = running_e;
  if (slot == 0)
#pragma unroll
    for (u32 r = 0; r < ROWS; r++)
#pragma unroll
      for (u32 c = 0; c < 8; c++) warp_ma[r * DIM + column * 8 + c] = acc[r][c];
  __syncthreads();

  for (u32 i = threadIdx.x; i < ROWS * DIM; i += WARPS * WARP) {
    const u32 r = i / DIM, c = i % DIM, row = first_row + r;
    if (row >= rows) break;
    float most = negative_infinity();
#pragma unroll
    for (u32 w = 0; w < WARPS; w++) most = fmaxf(most, shared_m[w][r]);
    const float reference = most == negative_infinity() ? 0 : most;
    float sum_ma = 0, sum_e = 0;
#pragma unroll
    for (u32 w = 0; w < WARPS; w++) {
      const float factor = exponential(shared_m[w][r] - reference);
      sum_ma += factor * ((const float *)shared_k[w])[i];
      sum_e += factor * shared_e[w][r];
    }
    const u32 token = row / shape.group, in_group = row % shape.group;
    const u64 state = ((u64(split) * gridDim.z + sequence) * shape.queries + token) * heads + head * shape.group + in_group;
    ma[state * DIM + c] = sum_ma;
    if (c == 0) m[state] = most, e[state] = sum_e;
  }
}

#define PARTIAL(name, type, dim, rows)                                                                                 \
  extern "C" __global__ void __launch_bounds__(WARPS *WARP, 2)                                                         \
      name(const u16 *query, const u16 *keys, const u16 *values, const u32 *table, const int *positions,               \
           const u32 *range, const int *first_query, const float *bias, float *ma, float *m, float *e,                 \
           const Shape shape) {                                                                                        \
    partial_attention<type, dim, rows>(query, keys, values, table, positions, range, first_query, bias, ma, m, e,      \
                                       shape);                                                                         \
  }

PARTIAL(partial_fp16_64_1, Half, 64, 1)
PARTIAL(partial_fp16_64_4, Half, 64, 4)
PARTIAL(partial_fp16_64_8, Half, 64, 8)
PARTIAL(partial_fp16_128_1, Half, 128, 1)
PARTIAL(partial_fp16_128_4, Half, 128, 4)
PARTIAL(partial_fp16_128_8, Half, 128, 8)
PARTIAL(partial_bf16_64_1, BFloat, 64, 1)
PARTIAL(partial_bf16_64_4, BFloat, 64, 4)
PARTIAL(partial_bf16_64_8, BFloat, 64, 8)
PARTIAL(partial_bf16_128_1, BFloat, 128, 1)
PARTIAL(partial_bf16_128_4, BFloat, 128, 4)
PARTIAL(partial_bf16_128_8, BFloat, 128, 8)

/// Merges `parts` states of each row.
///
/// grid = rows, block = dim threads: a thread has one column.
/// in_ma  (parts, rows, dim)     in_m, in_e   (parts, rows)
/// out_ma (rows, dim)            out_m, out_e (rows)
/// output (rows, dim): out_ma / out_e, attention if all parts are there; zeros for a row that saw nothing; may be null
extern "C" __global__ void merge_states(const float *__restrict__ in_ma, const float *__restrict__ in_m,
                                        const float *__restrict__ in_e, u32 parts, float *__restrict__ out_ma,
                                        float *__restrict__ out_m, float *__restrict__ out_e,
                                        float *__restrict__ output) {
  const u64 rows = gridDim.x, row = blockIdx.x, dim = blockDim.x, column = threadIdx.x;
  float most = negative_infinity();
  for (u32 i = 0; i < parts; i++) most = fmaxf(most, in_m[i * rows + row]);
  const float reference = most == negative_infinity() ? 0 : most;
  float sum_ma = 0, sum_e = 0;
  for (u32 i = 0; i < parts; i++) {
    const float factor = exponential(in_m[i * rows + row] - reference);
    sum_ma += factor * in_ma[(i * rows + row) * dim + column];
    sum_e += factor * in_e[i * rows + row];
  }
  out_ma[row * dim + column] = sum_ma;
  if (column == 0) out_m[row] = most, out_e[row] = sum_e;
  if (output) output[row * dim + column] = sum_e > 0 ? sum_ma / sum_e : 0;
}

/// Reads `count` times 16 bytes and keeps nothing: what the memory can do. One thread writes if all bits cancel out.
///
/// Four loads of a thread are under way at once: an H200 has 4 TB/s times most of a microsecond to keep in flight.
extern "C" __global__ void read_memory(const uint4 *__restrict__ from, u64 count, u32 *__restrict__ sink) {
  constexpr u32 AT_ONCE = 4;
  const u64 stride = u64(gridDim.x) * blockDim.x;
  u64 i = u64(blockIdx.x) * blockDim.x + threadIdx.x;
  u32 bits = 1;
  const auto take = [&](const uint4 &x) { bits += x.x ^ x.y ^ x.z ^ x.w; };
  for (; i + (AT_ONCE - 1) * stride < count; i += AT_ONCE * stride) {
    uint4 x[AT_ONCE];
#pragma unroll
    for (u32 k = 0; k < AT_ONCE; k++) x[k] = from[i + k * stride];
#pragma unroll
    for (u32 k = 0; k < AT_ONCE; k++) take(x[k]);
  }
  for (; i < count; i += stride) take(from[i]);
  if (bits == 0) *sink = bits;
}
