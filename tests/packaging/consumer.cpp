// As consumer.c, by chreode.hpp.
#include <chreode.hpp>

#include <cstdio>
#include <numeric>

int main() {
    const std::vector<double> from{0, 1, 2}, to{0.5, 1.5, 2.5};
    const chreode::Plan plan = chreode::transport({from, 1}, {to, 1});
    const std::vector<double> masses = plan.entries().masses;
    const double moved = std::accumulate(masses.begin(), masses.end(), 0.0);
    std::printf("chreode %s: %d entries, mass %.17g\n", chreode::version().c_str(), static_cast<int>(masses.size()), moved);
}
