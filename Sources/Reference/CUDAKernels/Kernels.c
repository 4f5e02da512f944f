#include "CUDAKernels.h"

// #embed is of C23; clang has it in every version of the language.
#pragma clang diagnostic ignored "-Wc23-extensions"

// Made from distattention.cu by `scripts/cuda embed`.
static const unsigned char ptx[] = {
#embed "distattention.ptx"
    , 0};

const char *dist_attention_ptx(void) { return (const char *)ptx; }
