#ifndef CUDA_KERNELS_H
#define CUDA_KERNELS_H

/// The PTX of distattention.cu, with a 0 at its end.
const char *dist_attention_ptx(void);

#endif
