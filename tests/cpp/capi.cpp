// What chreode.hpp promises. Ends with 0 if all is so; else it says what is not.
#include <chreode.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <future>
#include <limits>
#include <map>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>
#if __cplusplus >= 202002L && __has_include(<span>)
#include <span>
#endif
#if __has_include(<eigen3/Eigen/Core>)
#define WITH_EIGEN
#include <eigen3/Eigen/Core>
#endif

namespace {

using namespace chreode;

[[noreturn]] void not_so(int line, const char *what, const std::string &why) {
    std::fprintf(stderr, "%s:%d: not so: %s %s\n", __FILE__, line, what, why.c_str());
    std::exit(1);
}

#define CHECK(condition)                       \
    do {                                       \
        if (!(condition)) {                    \
            not_so(__LINE__, #condition, "");  \
        }                                      \
    } while (0)

// Thrown with this status, and told why in words that hold `told`.
#define REFUSED(wanted, told, expression)                                                          \
    do {                                                                                           \
        bool refused_ = false;                                                                     \
        try {                                                                                      \
            (void)(expression);                                                                    \
        } catch (const Error &error) {                                                             \
            refused_ = error.status() == (wanted) && contains(error.what(), told);                 \
            if (!refused_) not_so(__LINE__, #expression, error.status_name() + (": " + std::string(error.what()))); \
        }                                                                                          \
        if (!refused_) not_so(__LINE__, #expression, "threw nothing");                             \
    } while (0)

bool contains(const std::string &text, const std::string &part) { return text.find(part) != std::string::npos; }

Snapshots gene_network() { return Snapshots::generate(Options("gene-network", {{"cells_per_state", 8}})); }

Options quick_fit() {
    return Options("fit",
                   {{"hidden", "8x2"}, {"method", "usb"}, {"epochs", 20}, {"batch_size", 16.0}, {"threads", std::size_t{2}}});
}

Model fitted() { return fit(gene_network(), quick_fit()); }

// What Eigen's matrices have, in either order and with room between their columns or rows.
template <class Scalar, bool RowMajor>
struct Mock {
    static constexpr bool IsRowMajor = RowMajor;
    int rows_, cols_, outer_, inner_ = 1;
    std::vector<Scalar> values;

    Mock(int rows, int cols, int spare = 0)
        : rows_(rows), cols_(cols), outer_((RowMajor ? cols : rows) + spare),
          values(static_cast<std::size_t>(outer_ * (RowMajor ? rows : cols)), Scalar(-7)) {}

    Scalar *data() { return values.data(); }
    const Scalar *data() const { return values.data(); }
    int rows() const { return rows_; }
    int cols() const { return cols_; }
    int size() const { return rows_ * cols_; }
    int innerStride() const { return inner_; }
    int outerStride() const { return outer_; }
    Scalar &operator()(int i, int j) {
        return values[static_cast<std::size_t>(RowMajor ? i * outer_ + j * inner_ : j * outer_ + i * inner_)];
    }
};

template <class Handle>
void is_move_only(Handle &&handle) {
    using H = std::decay_t<Handle>;
    static_assert(!std::is_copy_constructible_v<H> && !std::is_copy_assignable_v<H>);
    static_assert(std::is_nothrow_move_constructible_v<H> && std::is_nothrow_move_assignable_v<H>);
    H taken(std::move(handle));
    CHECK(taken && !handle && handle.get() == nullptr);
    handle = std::move(taken);
    CHECK(handle && !taken);
    H again(handle.release()); // to C and back
    CHECK(again && !handle);
    handle = std::move(again);
}

std::size_t count_all(const Snapshots &cells) {
    std::size_t count = 0;
    for (std::size_t k = 0; k < cells.time_count(); ++k) {
        count += cells.cell_count(k);
    }
    return count;
}

// What was moved from throws, whatever is asked of it.
template <class Handle, class Use>
void is_empty_when_moved_from(Handle handle, chreode_status status, const char *told, Use use) {
    const Handle taken(std::move(handle));
    use(taken);
    REFUSED(status, told, (use(handle), 0));
}

void handles() {
    const auto null = CHREODE_ERROR_NULL_POINTER;
    const std::vector<std::uint8_t> bytes = fitted().to_bytes();
    const auto model = [&] { return Model::from_bytes(bytes); };
    const Snapshots snapshots = gene_network();
    is_move_only(Options("fit"));
    is_move_only(gene_network());
    is_move_only(model());
    is_move_only(model().evaluate(snapshots));
    const std::vector<double> points{1, 1, 0.5, 1}, times{1, 2};
    const auto simulated = [&] { return model().simulate(0, MatrixView(points, 2), times); };
    is_move_only(simulated());
    const auto matched = [&] { return transport(MatrixView(points, 2), MatrixView(points, 2)); };
    is_move_only(matched());

    is_empty_when_moved_from(Options("fit"), null, "options", [](const Options &o) { o["delta"]; });
    is_empty_when_moved_from(Options("fit"), null, "options", [](const Options &o) { o.describe(); });
    // An empty handle must not be taken for C's NULL, which stands for all defaults.
    is_empty_when_moved_from(quick_fit(), CHREODE_ERROR_INVALID_ARGUMENT, "moved from",
                             [&](const Options &o) { fit(snapshots, o); });
    const MatrixView cloud(points, 2);
    is_empty_when_moved_from(Options("transport"), CHREODE_ERROR_INVALID_ARGUMENT, "moved from",
                             [&](const Options &o) { transport(cloud, cloud, o); });
    is_empty_when_moved_from(Options("simulate"), CHREODE_ERROR_INVALID_ARGUMENT, "moved from",
                             [&](const Options &o) { model().simulate(0, cloud, {1}, o); });
    is_empty_when_moved_from(Options("evaluate"), CHREODE_ERROR_INVALID_ARGUMENT, "moved from",
                             [&](const Options &o) { model().evaluate(snapshots, o); });
    is_empty_when_moved_from(Options("gene-network"), null, "options", [](const Options &o) { Snapshots::generate(o); });
    is_empty_when_moved_from(gene_network(), null, "snapshots", [](const Snapshots &s) { s.times(); });
    is_empty_when_moved_from(gene_network(), null, "snapshots", [](const Snapshots &s) { fit(s, quick_fit()); });
    is_empty_when_moved_from(model(), null, "model", [](const Model &m) { m.info(); });
    is_empty_when_moved_from(model(), null, "model", [](const Model &m) { m.to_bytes(); });
    is_empty_when_moved_from(simulated(), null, "trajectory", [](const Trajectory &t) { t.points(0); });
    is_empty_when_moved_from(simulated(), null, "trajectory", [](const Trajectory &t) { t.lineage(); });
    is_empty_when_moved_from(model().evaluate(snapshots), null, "evaluation", [](const Evaluation &e) { e.json(); });
    is_empty_when_moved_from(matched(), null, "plan", [](const Plan &p) { p.entries(); });
    is_empty_when_moved_from(couple(snapshots, quick_fit()), null, "couplings", [](const Couplings &c) { c.times(); });
    const auto counted = [&] {
        const std::vector<std::int32_t> labels(count_all(snapshots), 0);
        return model().fates(snapshots, labels, Options("fates", {{"descendants", 2}}));
    };
    is_empty_when_moved_from(counted(), null, "fates", [](const Fates &f) { f.cells(); });
    is_empty_when_moved_from(counted(), null, "fates", [](const Fates &f) { f.values("p"); });
    const auto planned = [&] { return plan_fit(snapshots, quick_fit()); };
    is_empty_when_moved_from(planned(), null, "work", [](const Work &w) { w.to_bytes(); });
    is_empty_when_moved_from(planned(), null, "work", [&](const Work &w) { w.run(0, snapshots); });
}

void options() {
    Options options("fit", {{"delta", 1.5}, {"hidden", std::string("8x2")}, {"ema", 0.5f}});
    CHECK(options["delta"] == "1.5" && options["hidden"] == "8x2" && options["ema"] == "0.5" && options["sigma"].empty());
    options.set("seed", std::numeric_limits<std::uint64_t>::max()).unset("delta").set("method", std::string_view("sf2m!").substr(0, 4));
    CHECK(options["seed"] == "18446744073709551615" && options["delta"].empty() && options["method"] == "sf2m");
    CHECK(Options("transport").set("normalise", true)["normalise"] == "true");
    const std::vector<OptionDescription> all = options.describe();
    CHECK(all.size() > 10 && all.front().name == "preset" && contains(all.front().range, "published") && !all.back().meaning.empty());
    REFUSED(CHREODE_ERROR_INVALID_ARGUMENT, "nearest: simulate", Options("simulat"));
    REFUSED(CHREODE_ERROR_INVALID_ARGUMENT, "`learning_rate`", options.set("lerning_rate", 1));
    REFUSED(CHREODE_ERROR_INVALID_ARGUMENT, "positive", options.set("delta", std::nan("")));
    REFUSED(CHREODE_ERROR_INVALID_ARGUMENT, "`sigm`", options["sigm"]);
    REFUSED(CHREODE_ERROR_INVALID_ARGUMENT, "NUL", options.set(std::string("delta\0x", 7), 1));
    REFUSED(CHREODE_ERROR_INVALID_ARGUMENT, "NUL", options.set("method", std::string("usb\0x", 5)));
    REFUSED(CHREODE_ERROR_INVALID_ARGUMENT, "epochs", options.set("epochs", -1));
    REFUSED(CHREODE_ERROR_INVALID_ARGUMENT, "`fit`", fit(gene_network(), Options("simulate")));
    try {
        Options("simulat");
    } catch (const std::runtime_error &error) { // those who know nothing of chreode get the message, too
        CHECK(contains(error.what(), "simulat"));
    }
    CHECK(version() == chreode_version() && contains(capabilities(), "\"abi_version\":" + std::to_string(CHREODE_ABI_VERSION)));
}

// The cells (1,2), (3,4), (5,6) at the times 0, 1, 1.
void is_three_cells(const MatrixView &view) {
    const Snapshots snapshots(view, {0, 1, 1});
    CHECK(snapshots.dims() == 2 && snapshots.time_count() == 2 && snapshots.times() == (std::vector<double>{0, 1}));
    CHECK(snapshots.cell_count(1) == 2 && snapshots.mass(1) == 2);
    const Matrix points = snapshots.points(1);
    CHECK(points(0, 0) == 3 && points(0, 1) == 4 && points(1, 0) == 5 && points(1, 1) == 6);
}

template <class M>
M three_cells(M matrix) {
    using Index = decltype(matrix.rows());
    for (Index i = 0; i < 3; ++i) {
        for (Index j = 0; j < 2; ++j) {
            matrix(i, j) = static_cast<std::decay_t<decltype(matrix(i, j))>>(2 * i + j + 1);
        }
    }
    return matrix;
}

void views() {
    const std::vector<double> rows{1, 2, 3, 4, 5, 6}, columns{1, 3, 5, 2, 4, 6}, backwards{6, 5, 4, 3, 2, 1};
    const std::vector<float> single{1, 2, 3, 4, 5, 6};
    is_three_cells({rows, 2});
    is_three_cells({single, 2});
    is_three_cells({rows.data(), 3, 2});
    is_three_cells(MatrixView::by_columns(columns.data(), 3, 2));
    is_three_cells({backwards.data() + 5, 3, 2, -2, -1});
    is_three_cells(three_cells(Mock<double, true>(3, 2)));
    is_three_cells(three_cells(Mock<float, true>(3, 2, 5)));
    is_three_cells(three_cells(Mock<double, false>(3, 2)));
    is_three_cells(three_cells(Mock<float, false>(3, 2, 5)));
    is_three_cells(three_cells(Matrix(3, 2)));
    const std::vector<float> more{0, 0, 1, 2, 3, 4, 5, 6, 9, 9}, upwards{9, 9, 5, 6, 3, 4, 1, 2, 0, 0};
    is_three_cells(MatrixView(more, 2).middle_rows(1, 3));
    is_three_cells(MatrixView(upwards.data() + 8, 5, 2, -2, 1).middle_rows(1, 3));
    REFUSED(CHREODE_ERROR_INVALID_ARGUMENT, "rows of 4", MatrixView(rows, 4));
    REFUSED(CHREODE_ERROR_INVALID_ARGUMENT, "rows of 0", MatrixView(rows, 0));
    REFUSED(CHREODE_ERROR_INVALID_ARGUMENT, "of 3", MatrixView(rows, 2).middle_rows(2, 2));

    // A stranger's matrices are written to in their own order, and nothing beside them.
    const Snapshots snapshots(MatrixView(rows, 2), {0, 1, 1});
    Mock<double, false> by_columns(2, 2, 1);
    snapshots.points(1, by_columns);
    CHECK((by_columns.values == std::vector<double>{3, 5, -7, 4, 6, -7}));
    Mock<float, true> by_rows(2, 2, 1);
    snapshots.points(1, by_rows);
    CHECK((by_rows.values == std::vector<float>{3, 4, -7, 5, 6, -7}));
    std::vector<double> own(4);
    snapshots.points(1, MutableMatrixView(own.data() + 3, 2, 2, -2, -1));
    CHECK((own == std::vector<double>{6, 5, 4, 3}));
    snapshots.points(1, MutableMatrixView::by_columns(own.data(), 2, 2));
    CHECK((own == std::vector<double>{3, 5, 4, 6}));
    REFUSED(CHREODE_ERROR_INVALID_ARGUMENT, "must have 2 rows", (snapshots.points(1, MutableMatrixView(own, 1)), 0));
    REFUSED(CHREODE_ERROR_INVALID_ARGUMENT, "overlap", (snapshots.points(1, MutableMatrixView(own.data(), 2, 2, 1, 1)), 0));
}

void spans() {
    const std::vector<double> rows{1, 2, 3, 4, 5, 6}, times{0, 1, 1};
    const MatrixView points(rows, 2);
    const auto weighs = [&](Span<const double> weights, double mass) { CHECK(Snapshots(points, times, weights).mass(1) == mass); };
    std::vector<double> weights{1, 2, 3};
    weighs(weights, 5);
    weighs({1, 2, 4}, 6);
    weighs(std::array<double, 3>{1, 1, 1}, 2);
    weighs({weights.data(), 3}, 5);
    weighs(Span<double>(weights), 5);
    weighs({}, 2);
    Mock<double, false> vector(3, 1);
    vector.values = {1, 5, 5};
    weighs(vector, 10);
    // A row of a matrix by columns: its elements are not neighbours.
    Mock<double, false> row(1, 3, 2);
    REFUSED(CHREODE_ERROR_INVALID_ARGUMENT, "one after another", Snapshots(points, times, row));
    static_assert(!std::is_constructible_v<Span<const double>, std::vector<float> &>, "other types are not reinterpreted");
    static_assert(!std::is_constructible_v<Span<double>, const std::vector<double> &>, "what is constant is not written");
    static_assert(!std::is_constructible_v<MutableMatrixView, const Matrix &>, "what is constant is not written");
#ifdef __cpp_lib_span
    weighs(std::span<const double>(weights), 5);
#endif
}

void eigen() {
#ifdef WITH_EIGEN
    Eigen::MatrixXd by_columns(3, 2);
    by_columns << 1, 2, 3, 4, 5, 6;
    const Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor> by_rows = by_columns.cast<float>();
    is_three_cells(by_columns);
    is_three_cells(by_rows);
    const Eigen::MatrixXd across = by_columns.transpose();
    is_three_cells(across.transpose());
    Eigen::MatrixXd large = Eigen::MatrixXd::Zero(9, 9);
    large.block(2, 3, 3, 2) = by_columns;
    is_three_cells(large.block(2, 3, 3, 2));
    const Eigen::VectorXd times = Eigen::Vector3d(0, 1, 1);
    const Snapshots snapshots(by_rows, times);
    snapshots.points(1, large.topLeftCorner(2, 2));
    CHECK(large(0, 0) == 3 && large(1, 0) == 5 && large(2, 0) == 0 && large(0, 2) == 0);
    REFUSED(CHREODE_ERROR_INVALID_ARGUMENT, "one after another", Snapshots(by_rows, large.row(0).head(3)));
    const Matrix points = snapshots.points(1);
    CHECK((Eigen::Map<const Eigen::Matrix<float, 2, 2, Eigen::RowMajor>>(points.data())(1, 0) == 5));
#endif
}

void snapshots() {
    const double nan = std::nan("");
    const std::vector<double> rows{1, 2, 3, 4, 5, 6}, bad{1, 2, 3, nan, 5, 6};
    const Snapshots snapshots(MatrixView(rows, 2), {0, 1, 1});
    CHECK(snapshots.with_masses({1, 10}).mass(1) == 10);
    CHECK(snapshots.without({0}).time_count() == 1);
    const std::vector<double> two{2, 0.5};
    const Snapshots blocks =
        Snapshots::from_blocks({{0, MatrixView(rows, 2).middle_rows(0, 1)}, {1, MatrixView(rows, 2).middle_rows(1, 2), two}});
    CHECK(blocks.weights(1) == two && blocks.weights(0) == std::vector<double>{1} && blocks.points(1)(1, 1) == 6);
    REFUSED(CHREODE_ERROR_INVALID_ARGUMENT, "must be 1", Snapshots::from_blocks({{0, MatrixView(rows, 6), two}}));
    REFUSED(CHREODE_ERROR_INVALID_DATA, "at least one column", Snapshots::from_blocks({}));
    REFUSED(CHREODE_ERROR_INVALID_DATA, "row 2, coordinate 2", Snapshots(MatrixView(bad, 2), {0, 1, 1}));
    REFUSED(CHREODE_ERROR_INVALID_ARGUMENT, "times_count", Snapshots(MatrixView(rows, 2), {0, 1}));
    REFUSED(CHREODE_ERROR_INVALID_ARGUMENT, "weights", Snapshots(MatrixView(rows, 2), {0, 1, 1}, {1, 1}));
    REFUSED(CHREODE_ERROR_INVALID_DATA, "no cells", Snapshots(MatrixView(std::vector<double>(), 2), {}));
    REFUSED(CHREODE_ERROR_NULL_POINTER, "data", Snapshots(MatrixView(static_cast<double *>(nullptr), 3, 2), {0, 1, 1}));
    REFUSED(CHREODE_ERROR_INVALID_ARGUMENT, "masses", snapshots.with_masses({1}));
    REFUSED(CHREODE_ERROR_INVALID_ARGUMENT, "", snapshots.cell_count(2));
    REFUSED(CHREODE_ERROR_INVALID_ARGUMENT, "nearest", Snapshots::generate("gene-netwrk"));
}

void fields(const Model &model) {
    constexpr int rows = 700;
    Mock<float, true> points(rows, 2);
    Mock<double, false> by_columns(rows, 2);
    for (int i = 0; i < rows; ++i) {
        for (int j = 0; j < 2; ++j) {
            points(i, j) = static_cast<float>(i % 7) / 4 + static_cast<float>(j);
            by_columns(i, j) = static_cast<double>(points(i, j));
        }
    }
    const Matrix velocity = model.field("velocity", 0.5, points);
    Mock<double, false> velocity_by_columns(rows, 2);
    model.field("velocity", 0.5, by_columns, velocity_by_columns);
    for (int i = 0; i < rows; ++i) {
        CHECK(static_cast<double>(velocity(static_cast<std::size_t>(i), 1)) == velocity_by_columns(i, 1));
    }
    std::map<std::string, std::size_t> columns;
    for (const Field &field : model.fields()) {
        columns[field.name] = field.columns;
    }
    CHECK(columns["velocity"] == 2 && columns["growth"] == 1 && columns["score_drift"] == 2 && columns["landscape"] == 1);
    CHECK(model.field("growth", 0.5, points).cols() == 1 && model.field("score_drift", 0.5, points).size() == 2 * rows);
    REFUSED(CHREODE_ERROR_INVALID_ARGUMENT, "landscape", model.field("landscape", 0.5, points));
    REFUSED(CHREODE_ERROR_INVALID_ARGUMENT, "nearest: velocity", model.field("velocty", 0.5, points));
    REFUSED(CHREODE_ERROR_INVALID_ARGUMENT, "time", model.field("velocity", std::nan(""), points));
    REFUSED(CHREODE_ERROR_INVALID_ARGUMENT, "dimension", model.field("velocity", 0, MatrixView(points.values, 1)));
    REFUSED(CHREODE_ERROR_INVALID_ARGUMENT, "share memory", (model.field("velocity", 0, points, points), 0));
    points(300, 1) = std::numeric_limits<float>::quiet_NaN();
    REFUSED(CHREODE_ERROR_INVALID_DATA, "row 301, coordinate 2", model.field("velocity", 0.5, points));
    CHECK(model.field("velocity", 0.5, Matrix(0, 2)).rows() == 0);
}

void simulations(const Model &model) {
    const std::vector<double> start{0.5, 1, 1, 0.5, 0.7, 0.7, 1, 1}, times{0, 1, 2};
    const MatrixView points(start, 2);
    for (const char *mode : {"ode", "sde", "branching"}) {
        const bool branching = std::string(mode) == "branching";
        Options options("simulate", {{"mode", mode}, {"step", 0.1}, {"seed", 3}});
        if (std::string(mode) == "ode") {
            options.set("solver", "rk4");
        }
        const Trajectory trajectory = model.simulate(0, points, times, options, {1, 2, 1, 0});
        CHECK(trajectory.frame_count() == 3 && trajectory.dims() == 2 && trajectory.time(2) == 2);
        for (std::size_t k = 0; k < 3; ++k) {
            const std::size_t count = trajectory.count(k);
            CHECK(trajectory.points(k).rows() == count && trajectory.weights(k).size() == count);
            CHECK(trajectory.ids(k).size() == count && trajectory.ancestors(k).size() == count);
        }
        const std::vector<Cell> lineage = trajectory.lineage();
        CHECK((lineage.size() >= 4) == branching && contains(trajectory.newick(), ";") == branching);
        if (branching) {
            CHECK(lineage[0].parent == -1 && lineage[0].birth == 0 && lineage[0].end > 0);
            CHECK(lineage[0].fate == Fate::alive || lineage[0].fate == Fate::divided || lineage[0].fate == Fate::died);
        }
        REFUSED(CHREODE_ERROR_INVALID_ARGUMENT, "frames", trajectory.points(3));
    }
    REFUSED(CHREODE_ERROR_INVALID_ARGUMENT, "weights_count", model.simulate(0, points, times, Options("simulate"), {1, 2}));
    REFUSED(CHREODE_ERROR_INVALID_ARGUMENT, "at least one time", model.simulate(0, points, {}));
    const Options small("simulate", {{"mode", "branching"}, {"max_population", 3}});
    REFUSED(CHREODE_ERROR_POPULATION_LIMIT, "3", model.simulate(0, points, {5}, small));
    CHECK(contains(model.simulate(0, points, {50}).report(), "the time 50 is"));
    CHECK(contains(model.simulate(0, points, times).report(), "\"warnings\":[]"));
}

// Every long call takes a progress function, which may end it, or throw.
void cancelled_calls(const Model &model) {
    const Snapshots cells = gene_network();
    const std::vector<double> start{0.5, 1, 1, 0.5}, times{1};
    const MatrixView points(start, 2);
    std::size_t seen = 0;
    const auto counts = [&](const Progress &now) { seen += now.done <= now.total; };
    const auto stops = [](const Progress &) { return false; };
    const auto throws = [](const Progress &now) -> bool { throw std::string(now.stage); };
    const auto each = [&](const char *stage, auto call) {
        seen = 0;
        call(counts);
        CHECK(seen >= 2);
        REFUSED(CHREODE_ERROR_CANCELLED, "cancelled", (call(stops), 0));
        try {
            call(throws);
            CHECK(false);
        } catch (const std::string &thrown) {
            CHECK(thrown == stage);
        }
    };
    each("simulation", [&](auto progress) { model.simulate(0, points, times, Options("simulate"), {}, progress); });
    each("evaluation", [&](auto progress) { model.evaluate(cells, Options("evaluate"), progress); });
    const Options quick("validate", {{"hidden", "8"}, {"growth_hidden", "8"}, {"epochs", 5}, {"batch_size", 16}, {"cap", 12}});
    each("validation", [&](auto progress) { validate(cells, quick, {}, {}, progress); });
    each("transport", [&](auto progress) { transport(points, points, Options("transport"), {}, {}, progress); });
    Matrix values(2, 2);
    each("field", [&](auto progress) { model.field_at("velocity", {0.5, 1}, points, values, progress); });
    const Matrix alone = model.field("velocity", 1, points.middle_rows(1, 1));
    const Matrix together = model.field_at("velocity", {0.5, 1}, points);
    CHECK(std::equal(alone.data(), alone.data() + 2, together.data() + 2));
    REFUSED(CHREODE_ERROR_INVALID_ARGUMENT, "times_count", model.field_at("velocity", {0, 1, 2}, points));
}

// One model, several threads: const methods do not disturb each other.
void shared_by_threads(const Model &model) {
    const std::vector<double> start{0.5, 1, 1, 0.5};
    const MatrixView points(start, 2);
    const Matrix expected = model.field("velocity", 0.5, points);
    std::vector<std::future<bool>> threads;
    for (int i = 0; i < 4; ++i) {
        threads.push_back(std::async(std::launch::async, [&] {
            bool same = true;
            for (int repeats = 0; repeats < 50; ++repeats) {
                const Matrix found = model.field("velocity", 0.5, points);
                same = same && std::equal(found.data(), found.data() + found.size(), expected.data());
                same = same && model.simulate(0, points, {1}).count(0) == 2;
            }
            return same;
        }));
    }
    for (std::future<bool> &thread : threads) {
        CHECK(thread.get());
    }
}

void founders() {
    const Snapshots cells = gene_network();
    const std::vector<std::size_t> rows = cells.sample_rows(0, 5, 11);
    const Matrix drawn = cells.sample(0, 5, 11), all = cells.points(0);
    CHECK(rows.size() == 5 && drawn.rows() == 5 && std::is_sorted(rows.begin(), rows.end()));
    for (std::size_t i = 0; i < 5; ++i) {
        CHECK(drawn(i, 1) == all(rows[i], 1));
    }
    REFUSED(CHREODE_ERROR_INVALID_ARGUMENT, "cells to draw", cells.sample(0, 100000, 11));
}

// A whole model: what was learned so far is of use.
void is_usable(const Model &model) {
    CHECK(model.dims() == 2 && !model.losses().empty() && contains(model.info(), "\"usb\""));
    CHECK(std::isfinite(model.field("velocity", 0.5, Mock<double, true>(1, 2))(0, 0)));
    const std::vector<double> start{0.5, 1};
    CHECK(model.simulate(0, MatrixView(start, 2), {1}).count(0) == 1);
    CHECK(model.evaluate(gene_network()).value("mean_w1") > 0);
    CHECK(Model::from_bytes(model.to_bytes()).to_bytes() == model.to_bytes());
    Model noted = Model::from_bytes(model.to_bytes());
    CHECK(noted.attribute("where").empty());
    noted.set_attribute("where", "X_pca");
    noted.set_coordinates({"x", "y"});
    const Model back = Model::from_bytes(noted.to_bytes());
    CHECK(back.attribute("where") == "X_pca" && contains(back.info(), "\"coordinates\":[\"x\",\"y\"]"));
    REFUSED(CHREODE_ERROR_INVALID_ARGUMENT, "2 names", noted.set_coordinates({"x"}));
    REFUSED(CHREODE_ERROR_INVALID_ARGUMENT, "name", noted.set_attribute("", "X_pca"));
    noted.set_attribute("where", "");
    CHECK(noted.attribute("where").empty());
}

void fits() {
    const Snapshots snapshots = gene_network();
    Options options = quick_fit();
    std::size_t seen = 0;
    const std::thread::id here = std::this_thread::get_id();
    const Model model = fit(snapshots, options, [&](const Progress &now) {
        CHECK(std::this_thread::get_id() == here && now.done <= now.total);
        CHECK(now.stage == "coupling" || now.stage == "training");
        CHECK(std::isnan(now.loss) == (now.done == 0 || now.stage == "coupling"));
        ++seen;
    });
    CHECK(seen >= 3 && model.losses().size() == 20 && contains(model.report(), "\"converged\":true"));
    is_usable(model);
    const std::function<bool(const Progress &)> goes_on = [](const Progress &) { return true; };
    CHECK(fit(snapshots, options, goes_on).to_bytes() == model.to_bytes());
    // A progress function may use the library, but for the handles of the fit.
    fit(snapshots, options, [](const Progress &) { REFUSED(CHREODE_ERROR_INVALID_ARGUMENT, "list", Options("none")); });
    options.set("coupling", "wfr");
    REFUSED(CHREODE_ERROR_INVALID_ARGUMENT, "bridge", fit(snapshots, options));
}

void cancelled_fits() {
    const Snapshots snapshots = gene_network();
    Options endless = quick_fit();
    endless.set("epochs", 1000000);
    const auto trained = [](const Progress &now) { return now.stage == "training" && now.done > 0; };
    // Before training there is no model.
    try {
        fit(snapshots, endless, [](const Progress &) { return false; });
        CHECK(false);
    } catch (const UnfinishedFit &) {
        CHECK(false);
    } catch (const Error &error) {
        CHECK(error.status() == CHREODE_ERROR_CANCELLED && contains(error.what(), "cancelled"));
    }
    // Then there is, and it outlives the exception.
    std::shared_ptr<Model> model;
    try {
        fit(snapshots, endless, [&](const Progress &now) { return !trained(now); });
        CHECK(false);
    } catch (const UnfinishedFit &stopped) {
        CHECK(stopped.status() == CHREODE_ERROR_CANCELLED && std::string(stopped.status_name()) == "CHREODE_ERROR_CANCELLED");
        model = stopped.result();
    }
    is_usable(*model);
    const Fit result = try_fit(snapshots, endless, [&](const Progress &now) { return !trained(now); });
    CHECK(result.status == CHREODE_ERROR_CANCELLED && contains(result.message, "cancelled") && !result.thrown);
    is_usable(result.model);
    CHECK(try_fit(snapshots, quick_fit()).status == CHREODE_OK);
}

struct Mine {
    std::string what;
};

void throwing_progress() {
    const Snapshots snapshots = gene_network();
    Options endless = quick_fit();
    endless.set("epochs", 1000000);
    const auto throws = [](const char *stage, std::size_t from) {
        return [=](const Progress &now) {
            if (now.stage == stage && now.done >= from) {
                throw Mine{"of my own"};
            }
        };
    };
    for (const char *stage : {"coupling", "training"}) {
        try {
            fit(snapshots, endless, throws(stage, 0));
            CHECK(false);
        } catch (const Mine &mine) {
            CHECK(mine.what == "of my own");
        }
    }
    const std::function<void(const Progress &)> nothing;
    try {
        fit(snapshots, endless, nothing);
        CHECK(false);
    } catch (const std::bad_function_call &) {
    }
    const Fit result = try_fit(snapshots, endless, throws("training", 1));
    CHECK(result.status == CHREODE_ERROR_CANCELLED && result.thrown);
    is_usable(result.model);
    is_usable(fit(snapshots, quick_fit())); // nothing lingers
}

double sum(const std::vector<double> &masses) {
    double all = 0;
    for (const double mass : masses) {
        all += mass;
    }
    return all;
}

void couplings() {
    const Snapshots cells = gene_network();
    const Couplings coupled = couple(cells, quick_fit());
    const std::vector<std::size_t> counts = coupled.counts();
    CHECK(coupled.times() == cells.times() && counts.size() == 5 && counts[2] == cells.cell_count(2));
    const Couplings::Size size = coupled.size(1);
    const Couplings::Pairs pairs = coupled.pairs(1);
    CHECK(size.rows == counts[1] && size.cols == counts[2] && pairs.sources.size() == size.pairs);
    const Couplings::Cells of_cells = coupled.cells(1);
    CHECK(std::abs(sum(of_cells.sent) - sum(pairs.sent)) < 1e-9);
    CHECK(std::abs(sum(of_cells.sent) + sum(of_cells.dying) - cells.mass(1)) < 1e-9);
    const std::vector<double> ones(counts[0], 1.0);
    const Couplings::Carried forth = coupled.carry(0, 4, ones);
    CHECK(forth.lost.size() == 4 && forth.masses.size() == counts[4]);
    CHECK(std::abs(sum(forth.masses) + sum(forth.lost) - static_cast<double>(counts[0])) < 1e-9);
    CHECK(coupled.carry(4, 2, forth.masses, "mass").masses.size() == counts[2]);
    CHECK(contains(coupled.report(), "\"unmatched_mass\""));
    REFUSED(CHREODE_ERROR_INVALID_ARGUMENT, "below 5", coupled.carry(0, 5, ones));
    REFUSED(CHREODE_ERROR_INVALID_ARGUMENT, "share", coupled.carry(0, 1, ones, "all"));
    REFUSED(CHREODE_ERROR_CANCELLED, "", couple(cells, quick_fit(), [](const Progress &) { return false; }));
    // A model keeps them where it is asked to.
    REFUSED(CHREODE_ERROR_INVALID_ARGUMENT, "keep_couplings", fitted().couplings());
    Options keeping = quick_fit();
    keeping.set("keep_couplings", "true");
    const Couplings kept = Model::from_bytes(fit(cells, keeping).to_bytes()).couplings();
    CHECK(kept.pairs(1).sent == pairs.sent && kept.carry(0, 4, ones).masses == forth.masses);
}

void ensembles() {
    const Snapshots cells = gene_network();
    Options options = quick_fit();
    options.set("ensemble", 3);
    const Model model = fit(cells, options);
    const Matrix points = cells.points(1);
    const std::vector<double> start{0.5, 1, 1, 0.5}, times{0, 1};
    CHECK(model.members() == 3 && fitted().members() == 1 && model.branches() == 0);
    const Matrix mean = model.field("growth", 1, points), sd = model.field_sd("growth", {1}, points);
    const Matrix low = model.field_quantile("growth", 0.05, {1}, points), high = model.field_quantile("growth", 0.95, {1}, points);
    double sum = 0;
    for (std::size_t m = 0; m < 3; ++m) {
        sum += model.member(m).field("growth", 1, points)(0, 0);
    }
    CHECK(std::abs(sum / 3 - mean(0, 0)) < 1e-5 && sd(0, 0) > 0);
    // The 95th of a hundred is 1.6449 deviations away.
    CHECK(std::abs((high(0, 0) - low(0, 0)) / (2 * 1.6449 * sd(0, 0)) - 1) < 1e-3);
    const Trajectory run = model.simulate(0, MatrixView(start, 2), times);
    CHECK(run.masses().size() == 2 && run.masses()[0] == 2 && run.mass_sds()[0] == 0 && run.mass_sds()[1] > 0);
    CHECK(std::isnan(fitted().simulate(0, MatrixView(start, 2), times).mass_sds()[1]));
    REFUSED(CHREODE_ERROR_INVALID_ARGUMENT, "below 3", model.member(3));
    REFUSED(CHREODE_ERROR_INVALID_ARGUMENT, "2 or more", fitted().field_sd("growth", {1}, points));
    REFUSED(CHREODE_ERROR_CANCELLED, "", model.field_sd("growth", {1}, points, [](const Progress &) { return false; }));
}

void branches() {
    Options options("fit", {{"method", "branch-sbm"}, {"hidden", 8}, {"growth_hidden", 8}, {"epochs", 3}, {"interpolant_epochs", 2},
                            {"growth_epochs", 2}, {"batch_size", 16}, {"branches", 2}});
    const Model model = fit(gene_network(), options);
    const std::vector<double> start{0.5, 1};
    CHECK(model.branches() == 2 && model.members() == 1);
    CHECK(std::isfinite(model.branch(1).field("velocity", 0.5, MatrixView(start, 2))(0, 0)));
    REFUSED(CHREODE_ERROR_INVALID_ARGUMENT, "below 2", model.branch(2));
}

void priors() {
    const Snapshots cells = gene_network();
    const std::vector<double> rates(count_all(cells), 0.1);
    const std::vector<std::int64_t> clones(count_all(cells), -1);
    Options options = quick_fit();
    options.set("source_penalty", 1.0);
    CHECK(sum(couple(cells.with_growth_prior(rates), options).cells(0).sent) > 0);
    // Clones of which none is known change nothing.
    CHECK(couple(cells.with_clones(clones), quick_fit()).pairs(0).sent == couple(cells, quick_fit()).pairs(0).sent);
    REFUSED(CHREODE_ERROR_INVALID_ARGUMENT, "", cells.with_growth_prior({0.1}));
    REFUSED(CHREODE_ERROR_INVALID_ARGUMENT, "", cells.with_clones({0}));
}

void fates(const Model &model) {
    const Snapshots cells = gene_network();
    std::vector<std::int32_t> labels(count_all(cells));
    for (std::size_t i = 0; i < labels.size(); ++i) {
        labels[i] = static_cast<std::int32_t>(i % 3) - 1;
    }
    const Options quick("fates", {{"descendants", 5}, {"from", 1.0}});
    const Fates found = model.fates(cells, labels, quick);
    const std::vector<double> p = found.values("p");
    CHECK(found.labels() == (std::vector<std::int32_t>{0, 1}) && found.cells().size() == cells.cell_count(1));
    CHECK(found.cells().front() == cells.cell_count(0) && found.times().front() == 1);
    CHECK(p.size() == 2 * found.cells().size() && std::abs(p[0] + p[1] - 1) < 1e-9);
    CHECK(found.values("se_p_none").size() == found.cells().size());
    const std::vector<Fates::Transition> tables = found.transitions();
    CHECK(tables.size() == 1 && tables[0].labels.front() == -1 && tables[0].masses.size() == 3);
    const std::vector<double> went = found.transition_values(0, "went");
    CHECK(went.size() == 6 && std::abs(went[0] + went[1] - 1) < 1e-9);
    CHECK(contains(found.report(), "\"to\":4.0"));
    REFUSED(CHREODE_ERROR_INVALID_ARGUMENT, "nearest: went", found.transition_values(0, "want"));
    // The same descendants, as couplings of the two times.
    const Couplings descent = model.descent(cells, quick);
    CHECK(descent.times() == (std::vector<double>{1, 4}) && descent.counts()[1] == cells.cell_count(4));
    const std::vector<double> n = found.values("n");
    const Couplings::Carried grown = descent.carry(0, 1, cells.weights(1), "mass");
    CHECK(std::abs(sum(grown.masses) / sum(n) - 1) < 1e-9);
    const Couplings::Carried back = descent.carry(1, 0, cells.weights(4));
    CHECK(std::abs(sum(back.masses) + sum(back.lost) - cells.mass(4)) < 1e-9);
}

void evaluations(const Model &model) {
    const Snapshots snapshots = gene_network();
    const Evaluation evaluation = model.evaluate(snapshots);
    const std::vector<double> w1 = evaluation.values("w1");
    CHECK(evaluation.time_count() == 4 && w1.size() == 4 && evaluation.values("time").front() == 1);
    CHECK(std::abs(evaluation.value("mean_w1") - (w1[0] + w1[1] + w1[2] + w1[3]) / 4) < 1e-12);
    CHECK(contains(evaluation.json(), "\"time_points\":[{\"time\":1.0"));
    CHECK(model.evaluate(snapshots, Options("evaluate", {{"mode", "sde"}, {"runs", 2}})).values("w1_sd")[0] > 0);
    REFUSED(CHREODE_ERROR_INVALID_ARGUMENT, "nearest: mean_rme", evaluation.value("mean_rm"));
    REFUSED(CHREODE_ERROR_INVALID_ARGUMENT, "nearest: w1", evaluation.values("w11"));
    const Options recipes("validate", {{"method", "wfr-fm,usb"}, {"hidden", "8"}, {"growth_hidden", "8"}, {"score_hidden", "8"},
                                       {"epochs", 3}, {"batch_size", 16}, {"splits", 2}, {"cap", 12}});
    CHECK(contains(validate(snapshots, recipes).json(), "\"recipe\":\"usb\""));
    REFUSED(CHREODE_ERROR_INVALID_ARGUMENT, "one a cell", validate(snapshots, recipes, {0, 1}));
}

void files(Model &model, const std::string &folder) {
    const std::string path = folder + "/model.safetensors";
    model.save(path);
    std::vector<std::uint8_t> bytes = model.to_bytes();
    CHECK(Model::from_bytes(bytes).report() == "null");
    // A file tells how the fit went, too.
    Model copy = Model::load(path);
    CHECK(copy.report() == model.report() && copy.losses() == model.losses());
    copy.set_attribute("report", "");
    copy.set_attribute("losses", "");
    CHECK(copy.to_bytes() == bytes && copy.report() == "null");
    copy.set_threads(1);
    CHECK(copy.threads() == 1 && model.threads() == 2);
    REFUSED(CHREODE_ERROR_INVALID_ARGUMENT, "threads", (copy.set_threads(5000), 0));
    bytes.pop_back();
    REFUSED(CHREODE_ERROR_MODEL_FILE, "model", Model::from_bytes(bytes));
    REFUSED(CHREODE_ERROR_MODEL_FILE, "model", Model::from_bytes({}));
    REFUSED(CHREODE_ERROR_IO, "no/such", (model.save("/no/such/folder/model"), 0));
    REFUSED(CHREODE_ERROR_IO, "no/such", Model::load("/no/such/model"));
}

void transports() {
    const std::vector<double> a{0, 1, 2}, b{0.5, 1.5}, uneven{1.4, 0.1};
    const MatrixView source(a, 1), target(b, 1);
    Options options("transport", {{"cost", "euclidean"}, {"penalty", std::numeric_limits<double>::infinity()}});
    REFUSED(CHREODE_ERROR_INFEASIBLE, "total weights differ", transport(source, target, options));
    options.set("normalise", true);
    const Plan plan = transport(source, target, options, {}, {0.75, 0.75});
    const Plan::Size size = plan.size();
    const Plan::Entries entries = plan.entries();
    CHECK(size.rows == 3 && size.cols == 2 && size.entries == 4 && entries.masses.size() == 4 && entries.sources[0] == 0);
    CHECK(plan.row_offsets().back() == 4 && plan.potentials().source.size() == 3 && plan.potentials().target.size() == 2);
    CHECK(contains(plan.report(), "\"primal\":0.5"));
    options.set("epsilon", 1e-4).set("max_iterations", 1);
    try {
        transport(source, target, options, {}, uneven);
        CHECK(false);
    } catch (const UnfinishedPlan &unfinished) {
        CHECK(unfinished.status() == CHREODE_ERROR_NOT_CONVERGED && contains(unfinished.what(), "did not converge"));
        CHECK(contains(unfinished.result()->report(), "\"converged\":false") && unfinished.result()->size().rows == 3);
    }
    CHECK(transport(source, target).size().rows == 3);
    REFUSED(CHREODE_ERROR_INVALID_ARGUMENT, "dimension", transport(source, MatrixView(b, 2)));
    REFUSED(CHREODE_ERROR_INVALID_DATA, "target: row 2", transport(source, target, Options("transport"), {}, {1, -1}));
    REFUSED(CHREODE_ERROR_INVALID_ARGUMENT, "weights must be 3", transport(source, target, Options("transport"), {1, 1}));
}

// Tasks in any order, by a plan that was sent, make what the one call makes.
void work(const Model &model) {
    const Snapshots cells = gene_network();
    const Options how = quick_fit();
    const auto done = [&](const Work &plan, const Model *of) {
        const Work sent = Work::from_bytes(plan.to_bytes());
        std::vector<Work::Part> parts;
        for (std::size_t task = sent.task_count(); task-- > 0;) {
            parts.push_back(of ? sent.run(task, cells, *of) : sent.run(task, cells, 2));
            CHECK(plan.check_part(parts.back()) == task);
        }
        return parts;
    };
    const Work fitting = plan_fit(cells, how);
    is_move_only(plan_fit(cells, how));
    CHECK(fitting.task_count() > 0 && contains(fitting.task(0), "\"block\""));
    const std::vector<Work::Part> blocks = done(fitting, nullptr);
    CHECK(!fitting.rows(0).empty() && fitting.rows(0).size() <= cells.cell_count(0) + cells.cell_count(1));
    CHECK(fitting.finish_fit(cells, blocks).to_bytes() == fit(cells, how).to_bytes());
    REFUSED(CHREODE_ERROR_INVALID_DATA, "no part yet", fitting.finish_fit(cells, {}));
    REFUSED(CHREODE_ERROR_INVALID_DATA, "", fitting.check_part(Work::Part(9)));
    REFUSED(CHREODE_ERROR_INVALID_ARGUMENT, "the job of the plan", fitting.finish_validate(cells, blocks));

    const std::vector<double> times{1.0, 2.0};
    const Options branching("simulate", {{"mode", "branching"}, {"step", 0.2}, {"seed", 3}});
    const Work simulating = plan_simulate(model, cells, times, branching, 1);
    CHECK(contains(simulating.task(0), "\"shard\""));
    const Trajectory together = simulating.finish_simulate(model, cells, done(simulating, &model));
    const Trajectory at_once = model.simulate(cells.times()[0], cells.points(0), times, branching);
    CHECK(together.newick() == at_once.newick() && together.ids(1) == at_once.ids(1));
    REFUSED(CHREODE_ERROR_INVALID_ARGUMENT, "model", simulating.run(0, cells));

    const Options euler("evaluate", {{"solver", "euler"}, {"step", 0.2}});
    const Work evaluating = plan_evaluate(model, cells, euler);
    CHECK(evaluating.finish_evaluate(model, cells, done(evaluating, &model)).json() == model.evaluate(cells, euler).json());

    const Options quick("validate", {{"epochs", 2}, {"hidden", "4x1"}, {"growth_hidden", "4x1"}, {"splits", 1}});
    const Work validating = plan_validate(cells, quick);
    CHECK(contains(validating.finish_validate(cells, done(validating, nullptr)).json(), "\"verdict\""));

    // What the progress function throws ends the call and comes back.
    struct Enough {};
    bool thrown = false;
    try {
        fitting.finish_fit(cells, blocks, 1, [](const Progress &) { throw Enough{}; });
    } catch (const Enough &) {
        thrown = true;
    }
    CHECK(thrown);
}

// Each with handles and a message of its own.
void threads() {
    const std::vector<std::uint8_t> one = fitted().to_bytes();
    std::vector<std::future<void>> all;
    for (int i = 0; i < 8; ++i) {
        all.push_back(std::async(std::launch::async, [i, &one] {
            const Model model = fitted();
            CHECK(model.to_bytes() == one);
            const std::string name = "velocity" + std::to_string(i);
            REFUSED(CHREODE_ERROR_INVALID_ARGUMENT, name, model.field(name, 0, Matrix(1, 2)));
            REFUSED(CHREODE_ERROR_INVALID_ARGUMENT, name, Options("fit").set(name, 1));
            simulations(model);
        }));
    }
    for (std::future<void> &thread : all) {
        thread.get();
    }
}

// Threads that were told to end may need a moment, and leak checkers would take them for leaks.
void no_threads_are_left() {
    const std::filesystem::path tasks = "/proc/self/task"; // only Linux tells
    const auto count = [&] { return std::distance(std::filesystem::directory_iterator(tasks), {}); };
    for (int wait = 0; std::filesystem::exists(tasks) && count() > 1; ++wait) {
        CHECK(wait < 1000);
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
}

} // namespace

int also_includes_the_header();

namespace {

void everything(const std::string &folder) {
    CHECK(also_includes_the_header() == CHREODE_ABI_VERSION);
    handles();
    options();
    views();
    spans();
    eigen();
    snapshots();
    fits();
    cancelled_fits();
    throwing_progress();
    Model model = fitted();
    fields(model);
    simulations(model);
    cancelled_calls(model);
    shared_by_threads(model);
    founders();
    ensembles();
    branches();
    priors();
    couplings();
    fates(model);
    evaluations(model);
    files(model, folder);
    transports();
    work(model);
    threads();
}

} // namespace

// The argument is a folder for files.
int main(int, char **arguments) {
    everything(arguments[1]);
    no_threads_are_left();
    std::puts("all as promised");
}
