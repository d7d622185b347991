// Every kernel there is, compiled for the CPU. A kernel that is not named here cannot be launched in tests.
#include "registry.hpp"

#include "sample.cu"

KERNEL(sample_axpy);
KERNEL(sample_sum);
KERNEL(sample_divergent);
KERNEL(sample_overrun);
