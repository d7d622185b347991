// The gene network from C++: learn its dynamics by USB, measure them, let fifty of its cells divide and die, and draw the
// first of their trees in which a cell divides.
//
//     c++ -std=c++17 gene_network.cpp $(pkg-config --cflags --libs chreode) -o gene_network
#include <chreode.hpp>

#include <cstdio>
#include <sstream>

namespace {

constexpr std::size_t founders = 50;

void print_errors(const chreode::Evaluation &evaluation) {
    const std::vector<double> time = evaluation.values("time"), w1 = evaluation.values("w1"), rme = evaluation.values("rme");
    for (std::size_t k = 0; k < time.size(); ++k) {
        std::printf("time %g W1 %.17g RME %.17g\n", time[k], w1[k], rme[k]);
    }
    std::printf("mean W1 %.17g\nmean RME %.17g\n", evaluation.value("mean_w1"), evaluation.value("mean_rme"));
}

/// The first tree of more than a founder, in the Newick format.
std::string first_division(const chreode::Trajectory &population) {
    std::istringstream trees(population.newick());
    for (std::string tree; std::getline(trees, tree);) {
        if (tree.find('(') != std::string::npos) {
            return tree;
        }
    }
    return "of no division";
}

void print_population(const chreode::Trajectory &population) {
    std::printf("population");
    for (std::size_t k = 0; k < population.frame_count(); ++k) {
        std::printf(" %zu", population.count(k));
    }
    std::printf("\nlineage %zu nodes\n", population.lineage().size());
    std::printf("tree %s\n", first_division(population).c_str());
}

void report(const chreode::Progress &now) {
    std::fprintf(stderr, "\r%.*s %zu/%zu ", static_cast<int>(now.stage.size()), now.stage.data(), now.done, now.total);
    if (now.done == now.total) {
        std::fputc('\n', stderr);
    }
}

void run() {
    const auto snapshots = chreode::Snapshots::generate("gene-network");
    const chreode::Options how("fit", {{"method", "usb"},
                                       {"delta", 1.5},
                                       {"sigma", 0.02},
                                       {"hidden", "64x3"},
                                       {"epochs", 300},
                                       {"seed", 11},
                                       {"threads", 2}});
    const chreode::Model model = chreode::fit(snapshots, how, report);
    print_errors(model.evaluate(snapshots));

    const std::vector<double> times = snapshots.times();
    const chreode::Options branching("simulate", {{"mode", "branching"}, {"seed", 11}});
    print_population(model.simulate(times.front(), snapshots.sample(0, founders, 11), times, branching));
}

} // namespace

int main() {
    try {
        run();
    } catch (const std::exception &error) {
        std::fprintf(stderr, "%s\n", error.what());
        return 1;
    }
}
