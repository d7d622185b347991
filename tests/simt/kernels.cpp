// Every kernel there is, compiled for the CPU. A kernel that is not named here cannot be launched in tests.
#include "registry.hpp"

#include "../../cuda/device.cuh"

// Each family has its own constants.
namespace sinkhorn {
#include "../../cuda/sinkhorn.cu"
} // namespace sinkhorn
namespace particles {
#include "../../cuda/particles.cu"
} // namespace particles
namespace sample {
#include "sample.cu"
} // namespace sample

using namespace sinkhorn;
KERNEL(exponents);
KERNEL(log_sums);
KERNEL(join_segments);
KERNEL(update_potential);
KERNEL(marginal);
KERNEL(log_total);
KERNEL(translate);
KERNEL(cost_ranges);
KERNEL(count_entries);
KERNEL(fill_entries);

using namespace particles;
KERNEL(advance_64);
KERNEL(advance_32);
KERNEL(advance_16);
KERNEL(offspring);
KERNEL(scan);
KERNEL(place);
KERNEL(gather_events);
KERNEL(gather_growth);
KERNEL(gather_states);
KERNEL(gather_labels);
KERNEL(set_labels);

using namespace sample;
KERNEL(sample_axpy);
KERNEL(sample_sum);
KERNEL(sample_divergent);
KERNEL(sample_overrun);
