// Small kernels of many kinds, none of them attention: what the PTX interpreter must run as well. Each has
// (output, input, count); KernelTests.swift computes the same on the host.

typedef unsigned int u32;
typedef unsigned long long u64;
typedef unsigned char u8;

constexpr u32 ALL = 0xffffffffu;
#define KERNEL extern "C" __global__ void

KERNEL saxpy(float *y, const float *x, u32 n) {
  const u32 i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) y[i] = 2.5f * x[i] + y[i];
}

KERNEL block_sum(int *sums, const int *x, u32 n) {
  __shared__ int part[256];
  const u32 t = threadIdx.x, i = blockIdx.x * 256 + t;
  part[t] = i < n ? x[i] : 0;
  __syncthreads();
  for (u32 half = 128; half > 0; half /= 2) {
    if (t < half) part[t] += part[t + half];
    __syncthreads();
  }
  if (t == 0) sums[blockIdx.x] = part[0];
}

KERNEL warp_sum(float *sums, const float *x, u32 n) {
  const u32 i = blockIdx.x * blockDim.x + threadIdx.x;
  float sum = i < n ? x[i] : 0;
  for (int distance = 16; distance > 0; distance /= 2) sum += __shfl_down_sync(ALL, sum, distance);
  if (threadIdx.x % 32 == 0) sums[i / 32] = sum;
}

// Inclusive prefix sums of each 256: by shuffles within warps, by shared memory between them.
KERNEL prefix_sums(int *sums, const int *x, u32 n) {
  __shared__ int warps[8];
  const u32 t = threadIdx.x, i = blockIdx.x * 256 + t;
  const int lane = t % 32;
  int sum = i < n ? x[i] : 0;
  for (int distance = 1; distance < 32; distance *= 2) {
    const int other = __shfl_up_sync(ALL, sum, distance);
    if (lane >= distance) sum += other;
  }
  if (lane == 31) warps[t / 32] = sum;
  __syncthreads();
  for (u32 w = 0; w < t / 32; w++) sum += warps[w];
  if (i < n) sums[i] = sum;
}

KERNEL histogram(int *counts, const u8 *x, u32 n) {
  __shared__ int local[16];
  if (threadIdx.x < 16) local[threadIdx.x] = 0;
  __syncthreads();
  for (u32 i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) atomicAdd(&local[x[i] % 16], 1);
  __syncthreads();
  if (threadIdx.x < 16) atomicAdd(&counts[threadIdx.x], local[threadIdx.x]);
}

// An n x n matrix in tiles of 16 x 16, with a column to spare against bank conflicts.
KERNEL transpose(float *out, const float *in, u32 n) {
  __shared__ float tile[16][17];
  const u32 x = blockIdx.x * 16, y = blockIdx.y * 16;
  if (x + threadIdx.x < n && y + threadIdx.y < n)
    tile[threadIdx.y][threadIdx.x] = in[(y + threadIdx.y) * n + x + threadIdx.x];
  __syncthreads();
  if (y + threadIdx.x < n && x + threadIdx.y < n)
    out[(x + threadIdx.y) * n + y + threadIdx.x] = tile[threadIdx.x][threadIdx.y];
}

// out = in * in for n x n doubles, n a multiple of 8.
KERNEL matrix_square(double *out, const double *in, u32 n) {
  __shared__ double a[8][8], b[8][8];
  const u32 x = blockIdx.x * 8 + threadIdx.x, y = blockIdx.y * 8 + threadIdx.y;
  double sum = 0;
  for (u32 k = 0; k < n; k += 8) {
    a[threadIdx.y][threadIdx.x] = in[y * n + k + threadIdx.x];
    b[threadIdx.y][threadIdx.x] = in[(k + threadIdx.y) * n + x];
    __syncthreads();
    for (u32 i = 0; i < 8; i++) sum += a[threadIdx.y][i] * b[i][threadIdx.x];
    __syncthreads();
  }
  out[y * n + x] = sum;
}

// Threads of a warp part and meet again as often as they like.
KERNEL collatz(u32 *steps, const u32 *x, u32 n) {
  const u32 i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= n) return;
  u64 value = x[i];
  u32 count = 0;
  while (value > 1) {
    if (value % 2 == 0) {
      value /= 2;
    } else {
      value = 3 * value + 1;
      if (value % 8 == 4) count += 1u << 16;
    }
    count++;
  }
  steps[i] = count;
}

KERNEL bitonic_sort(int *out, const int *x, u32 n) {
  __shared__ int values[512];
  const u32 t = threadIdx.x;
  values[t] = t < n ? x[t] : 0x7fffffff;
  __syncthreads();
  for (u32 size = 2; size <= 512; size *= 2)
    for (u32 distance = size / 2; distance > 0; distance /= 2) {
      const u32 other = t ^ distance;
      if (other > t) {
        const int a = values[t], b = values[other];
        const bool ascending = (t & size) == 0;
        if ((a > b) == ascending) values[t] = b, values[other] = a;
      }
      __syncthreads();
    }
  if (t < n) out[t] = values[t];
}

KERNEL bit_mixing(u64 *out, const u64 *x, u32 n) {
  const u32 i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= n) return;
  u64 z = x[i];
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
  z ^= z >> 31;
  const u32 low = u32(z), high = u32(z >> 32);
  const u32 turned = (low << 7 | low >> 25) ^ __brev(high);
  out[i] = u64(turned) << 32 | u32(__popc(low) * 100 + __clz(high | 1)) | u64(high & 0xf0) << 12;
}

KERNEL divisions(int *out, const int *x, u32 n) {
  const u32 i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= n) return;
  const int a = x[2 * i], b = x[2 * i + 1];
  const short c = short(a), d = short(b | 1);
  const long long e = (long long)a * b;
  out[4 * i] = b ? a / b : -1;
  out[4 * i + 1] = b ? a % b : -1;
  out[4 * i + 2] = c / d;
  out[4 * i + 3] = int(e % 1000003) + int(u32(a) / 10u) - int(u32(b) % 7u);
}

// A table in constant memory, and an array of its own for each thread that is indexed by data.
__constant__ int primes[8] = {2, 3, 5, 7, 11, 13, 17, 19};
KERNEL tables(int *out, const u32 *x, u32 n) {
  const u32 i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= n) return;
  int mine[8];
  for (u32 k = 0; k < 8; k++) mine[(k * 5 + x[i]) % 8] = primes[k] * int(k + 1);
  int sum = 0;
  for (u32 k = 0; k < 4; k++) sum = sum * 3 + mine[(x[i] >> (3 * k)) % 8];
  out[i] = sum;
}

// The positions of the odd values, in order, of each warp's 32; the rest is not written.
KERNEL compaction(u32 *out, const u32 *x, u32 n) {
  const u32 i = blockIdx.x * blockDim.x + threadIdx.x, lane = threadIdx.x % 32;
  const bool odd = i < n && x[i] % 2 == 1;
  const u32 votes = __ballot_sync(ALL, odd);
  if (odd) out[i / 32 * 33 + 1 + __popc(votes & ((1u << lane) - 1))] = i;
  if (lane == 0) out[i / 32 * 33] = u32(__popc(votes));
}

KERNEL half_round(float *out, const float *x, u32 n) {
  const u32 i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= n) return;
  unsigned short bits;
  asm("cvt.rn.f16.f32 %0, %1;" : "=h"(bits) : "f"(x[i]));
  asm("cvt.f32.f16 %0, %1;" : "=f"(out[i]) : "h"(bits));
}

KERNEL float_functions(float *out, const float *x, u32 n) {
  const u32 i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= n) return;
  const float v = x[i];
  out[4 * i] = sqrtf(v * v + 1) / (v - 0.5f);
  out[4 * i + 1] = fmaxf(v, -v) * float(int(v)) + float(u32(int(v) & 255));
  out[4 * i + 2] = v != v ? 1.0f : v > 1 ? 2.0f : 3.0f;
  out[4 * i + 3] = float(double(v) * 1.0000001 - 1e-3);
}

// One generation of Life on an n x n torus of bytes.
KERNEL life(u8 *out, const u8 *in, u32 n) {
  const u32 x = blockIdx.x * blockDim.x + threadIdx.x, y = blockIdx.y * blockDim.y + threadIdx.y;
  if (x >= n || y >= n) return;
  int neighbours = 0;
  for (int dy = -1; dy <= 1; dy++)
    for (int dx = -1; dx <= 1; dx++)
      if (dx || dy) neighbours += in[(y + n + dy) % n * n + (x + n + dx) % n];
  out[y * n + x] = neighbours == 3 || (neighbours == 2 && in[y * n + x]);
}

extern __shared__ int dynamic[];
KERNEL reversed(int *out, const int *x, u32 n) {
  for (u32 i = threadIdx.x; i < n; i += blockDim.x) dynamic[i] = x[i];
  __syncthreads();
  for (u32 i = threadIdx.x; i < n; i += blockDim.x) out[i] = dynamic[n - 1 - i];
}
