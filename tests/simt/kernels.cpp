// Every kernel there is, compiled for the CPU: a line for each file and for each of its kernels. What is not named here
// cannot be launched in tests.
#include "registry.hpp"

#include "sample.cu"

KERNEL(sample_axpy);
KERNEL(sample_sum);
KERNEL(sample_divergent);
KERNEL(sample_overrun);
