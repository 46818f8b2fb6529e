// TAHR_HD marks functions that kernels of a GPU call as well as the host.
#pragma once

#if defined(__CUDACC__)
#define TAHR_HD __host__ __device__
#else
#define TAHR_HD
#endif
