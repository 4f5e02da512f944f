// What clang lacks of CUDA C++ when no CUDA is installed (-nocudainc -nocudalib), as far as our kernels use it.
#pragma once

#define __device__ __attribute__((device))
#define __global__ __attribute__((global))
#define __shared__ __attribute__((shared))
#define __forceinline__ inline __attribute__((always_inline))
#define __constant__ __attribute__((constant))
#define __align__(n) __attribute__((aligned(n)))
#define __launch_bounds__(...) __attribute__((launch_bounds(__VA_ARGS__)))

struct alignas(16) uint4 {
  unsigned x, y, z, w;
};
struct alignas(16) float4 {
  float x, y, z, w;
};

// threadIdx.x and its like read special registers (-fdeclspec).
#define SPECIAL_REGISTER(name, ptx)                                                                                    \
  struct name##_register {                                                                                             \
    __declspec(property(get = get_x)) unsigned x;                                                                      \
    __declspec(property(get = get_y)) unsigned y;                                                                      \
    __declspec(property(get = get_z)) unsigned z;                                                                      \
    static __device__ unsigned get_x() { return __nvvm_read_ptx_sreg_##ptx##_x(); }                                    \
    static __device__ unsigned get_y() { return __nvvm_read_ptx_sreg_##ptx##_y(); }                                    \
    static __device__ unsigned get_z() { return __nvvm_read_ptx_sreg_##ptx##_z(); }                                    \
  };                                                                                                                   \
  extern const __device__ name##_register name;
SPECIAL_REGISTER(threadIdx, tid)
SPECIAL_REGISTER(blockIdx, ctaid)
SPECIAL_REGISTER(blockDim, ntid)
SPECIAL_REGISTER(gridDim, nctaid)

__device__ inline void __syncwarp(unsigned mask = 0xffffffffu) { __nvvm_bar_warp_sync(mask); }
__device__ inline unsigned __ballot_sync(unsigned mask, int predicate) { return __nvvm_vote_ballot_sync(mask, predicate); }

template <class T>
__device__ inline T __shfl_sync(unsigned mask, T value, int lane) {
  static_assert(sizeof(T) % 4 == 0, "words");
  int words[sizeof(T) / 4];
  __builtin_memcpy(words, &value, sizeof(T));
  for (int &word : words) word = __nvvm_shfl_sync_idx_i32(mask, word, lane, 31);
  __builtin_memcpy(&value, words, sizeof(T));
  return value;
}
__device__ inline float __shfl_xor_sync(unsigned mask, float value, int distance) {
  return __nvvm_shfl_sync_bfly_f32(mask, value, distance, 31);
}
__device__ inline int __shfl_xor_sync(unsigned mask, int value, int distance) {
  return __nvvm_shfl_sync_bfly_i32(mask, value, distance, 31);
}
__device__ inline int __shfl_up_sync(unsigned mask, int value, int distance) {
  return __nvvm_shfl_sync_up_i32(mask, value, distance, 0);
}
__device__ inline float __shfl_down_sync(unsigned mask, float value, int distance) {
  return __nvvm_shfl_sync_down_f32(mask, value, distance, 31);
}

__device__ inline float __int_as_float(int bits) { return __builtin_bit_cast(float, bits); }
__device__ inline float fmaxf(float a, float b) { return __builtin_fmaxf(a, b); }
__device__ inline float sqrtf(float x) { return __builtin_sqrtf(x); }
template <class T> __device__ inline T min(T a, T b) { return b < a ? b : a; }
template <class T> __device__ inline T max(T a, T b) { return a < b ? b : a; }
__device__ inline int atomicAdd(int *place, int value) { return __nvvm_atom_add_gen_i(place, value); }
__device__ inline int __popc(unsigned x) { return __builtin_popcount(x); }
__device__ inline int __clz(unsigned x) { return x ? __builtin_clz(x) : 32; }
__device__ inline unsigned __brev(unsigned x) { return __builtin_bitreverse32(x); }
