/*
 * chreode from C++17: chreode.h with handles that free themselves, exceptions, and views of matrices as they lie.
 *
 *     #include <chreode.hpp>
 *
 *     chreode::Snapshots snapshots(points, times);    // an Eigen matrix, or any MatrixView, and a vector
 *     chreode::Options how("fit", {{"method", "usb"}, {"epochs", 300}});
 *     chreode::Model model = chreode::fit(snapshots, how, [](const chreode::Progress &now) { show(now.done, now.total); });
 *     chreode::Matrix velocity = model.field("velocity", 0.5, points);
 *
 * Header only, without state of its own: what it does is what chreode.h says. What it adds:
 *
 * Handles. Options, Snapshots, Model, Trajectory, Evaluation, Validation, Couplings, Fates, Plan and Work own what they stand for, and can
 * be moved, not copied. One that was moved from is empty: it can be assigned to, destroyed and asked `if (handle)`; using it throws. get() is
 * the handle for functions of chreode.h, release() gives it away.
 *
 * Errors. Whatever is not CHREODE_OK is thrown as an Error, with the status and the message. Where there is a result in spite
 * of the error, an Unfinished brings it along.
 *
 * Matrices. A MatrixView is a pointer with strides, made from pointers, vectors and whatever has Eigen's data(), rows(),
 * cols(), innerStride(), outerStride() and IsRowMajor, such as Eigen's matrices, maps, blocks and references. Nothing is
 * copied, so what it is made from must outlive it: take views as parameters, do not keep them. A Span is that for arrays.
 *
 * Progress and cancellation. Long calls take a progress function, which is called on the calling thread about twenty times a
 * second with a `const Progress &`. It returns nothing, or false to end the call; what it throws ends the call and comes back.
 *
 * Threads. As in C: const methods may run at the same time in several threads, on one handle, too; the others need it alone.
 */

#ifndef CHREODE_HPP
#define CHREODE_HPP

#if !(__cplusplus >= 201703L || (defined(_MSVC_LANG) && _MSVC_LANG >= 201703L))
#error "chreode.hpp needs C++17"
#endif

#include "chreode.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <initializer_list>
#include <iterator>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace chreode {

/// What was wrong, and what would be right.
class Error : public std::runtime_error {
  public:
    Error(chreode_status status, const std::string &message) : std::runtime_error(message), status_(status) {}

    /// Which of chreode.h's statuses it was.
    chreode_status status() const noexcept { return status_; }

    /// The name of that status, "CHREODE_ERROR_INVALID_ARGUMENT" for instance.
    const char *status_name() const noexcept { return chreode_status_name(status_); }

  private:
    chreode_status status_;
};

/// An error that leaves something of use.
template <class Result>
class Unfinished : public Error {
  public:
    Unfinished(chreode_status status, const std::string &message, Result &&result)
        : Error(status, message), result_(std::make_shared<Result>(std::move(result))) {}

    /// What there is all the same. Never null, but shared by the copies of this exception.
    const std::shared_ptr<Result> &result() const noexcept { return result_; }

  private:
    std::shared_ptr<Result> result_; // exceptions are copied, and handles are not
};

namespace detail {

[[noreturn]] inline void invalid(const std::string &message) {
    throw Error(CHREODE_ERROR_INVALID_ARGUMENT, message);
}

inline void check(chreode_status status) {
    if (status != CHREODE_OK) {
        throw Error(status, chreode_last_error_message());
    }
}

/// A text for C, which would read no further than to a NUL.
inline const char *c_text(const std::string &text) {
    if (text.find('\0') != std::string::npos) {
        invalid("a text must not contain NUL");
    }
    return text.c_str();
}

/// Asks for a size, then fills as many elements of a string or vector.
template <class Elements, class Call>
Elements sized(Call &&call) {
    std::size_t size = 0;
    check(call(nullptr, std::size_t{0}, &size));
    Elements elements(size, typename Elements::value_type{});
    check(call(elements.data(), elements.size(), &size));
    return elements;
}

/// A text by size, then fill, without the NUL at its end.
template <class Call>
std::string text(Call &&call) {
    std::string filled = sized<std::string>(std::forward<Call>(call));
    filled.pop_back();
    return filled;
}

/// What a call tells through a pointer.
template <class T, class Call>
T told(Call &&call) {
    T value{};
    check(call(&value));
    return value;
}

template <class T>
constexpr std::int32_t dtype() {
    static_assert(std::is_same_v<T, float> || std::is_same_v<T, double>, "chreode takes matrices of float or double");
    return std::is_same_v<T, float> ? CHREODE_F32 : CHREODE_F64;
}

/// The element behind what data() of a matrix or an array returns: `const double` for a constant one.
template <class T>
using element_t = std::remove_pointer_t<decltype(std::declval<T &>().data())>;

template <class T, class = void>
struct is_matrix : std::false_type {};
/// Has what Eigen's matrices in memory have.
template <class T>
struct is_matrix<T, std::void_t<element_t<T>, decltype(std::declval<T &>().rows()), decltype(std::declval<T &>().cols()),
                                decltype(std::declval<T &>().innerStride()), decltype(std::declval<T &>().outerStride()),
                                decltype(bool(std::decay_t<T>::IsRowMajor))>> : std::true_type {};

template <class T, class = void>
struct is_array : std::false_type {};
/// Has what a std::vector has.
template <class T>
struct is_array<T, std::void_t<element_t<T>, decltype(std::declval<T &>().size())>> : std::true_type {};

/// Where the elements of an Eigen-like matrix lie.
template <class T>
struct Layout {
    std::size_t rows, cols;
    std::ptrdiff_t row_stride, col_stride;

    explicit Layout(T &matrix)
        : rows(static_cast<std::size_t>(matrix.rows())), cols(static_cast<std::size_t>(matrix.cols())),
          row_stride(static_cast<std::ptrdiff_t>(by_rows ? matrix.outerStride() : matrix.innerStride())),
          col_stride(static_cast<std::ptrdiff_t>(by_rows ? matrix.innerStride() : matrix.outerStride())) {}

    /// Whether the elements lie one after another.
    bool dense() const {
        const std::size_t inner = by_rows ? cols : rows, outer = by_rows ? rows : cols;
        const std::ptrdiff_t inner_stride = by_rows ? col_stride : row_stride;
        const std::ptrdiff_t outer_stride = by_rows ? row_stride : col_stride;
        return (inner <= 1 || inner_stride == 1) && (outer <= 1 || outer_stride == static_cast<std::ptrdiff_t>(inner));
    }

  private:
    static constexpr bool by_rows = bool(std::decay_t<T>::IsRowMajor);
};

/// The rows of an array that holds rows of `cols` elements, one after another.
inline std::size_t rows_of(std::size_t size, std::size_t cols) {
    if (cols == 0 || size % cols != 0) {
        invalid("an array of " + std::to_string(size) + " elements cannot be rows of " + std::to_string(cols));
    }
    return size / cols;
}

} // namespace detail

/// An array that is read or written: a pointer and a number of elements, from a std::vector, std::array, std::span, Eigen
/// vector or anything else with data() and size() of the very element type. It must not outlive what it is made from.
template <class T>
class Span {
  public:
    constexpr Span() noexcept = default;
    constexpr Span(T *data, std::size_t size) noexcept : data_(data), size_(size) {}

    /// Of a braced list; good for the call that it is written in.
    template <class U = T, class = std::enable_if_t<std::is_const_v<U>>>
    Span(const std::initializer_list<std::remove_const_t<U>> &list) noexcept : data_(std::data(list)), size_(list.size()) {}

    template <class Array,
              class = std::enable_if_t<detail::is_array<Array>::value && !std::is_same_v<std::decay_t<Array>, Span> &&
                                       std::is_convertible_v<detail::element_t<Array> (*)[], T (*)[]>>>
    Span(Array &&array) : data_(array.data()), size_(static_cast<std::size_t>(array.size())) {
        if constexpr (detail::is_matrix<Array>::value) {
            if (!detail::Layout<std::remove_reference_t<Array>>(array).dense()) {
                detail::invalid("the elements of an array must lie one after another, which those of this matrix do not");
            }
        }
    }

    /// NULL for an empty one.
    T *data() const noexcept { return size_ == 0 ? nullptr : data_; }
    std::size_t size() const noexcept { return size_; }
    bool empty() const noexcept { return size_ == 0; }

  private:
    T *data_ = nullptr;
    std::size_t size_ = 0;
};

/// A matrix that is written: one row a cell. It must not outlive what it is made from.
class MutableMatrixView {
  public:
    /// The element (i, j) lies i * row_stride + j * col_stride elements from data, which points to the element (0, 0). Strides
    /// may be negative.
    template <class T>
    MutableMatrixView(T *data, std::size_t rows, std::size_t cols, std::ptrdiff_t row_stride, std::ptrdiff_t col_stride) noexcept
        : raw_{data, rows, cols, row_stride, col_stride, detail::dtype<T>()} {}

    /// Row-major.
    template <class T>
    MutableMatrixView(T *data, std::size_t rows, std::size_t cols) noexcept
        : MutableMatrixView(data, rows, cols, static_cast<std::ptrdiff_t>(cols), 1) {}

    /// Rows of `cols` elements, one after another.
    template <class T>
    MutableMatrixView(std::vector<T> &rows, std::size_t cols)
        : MutableMatrixView(rows.data(), detail::rows_of(rows.size(), cols), cols) {}

    /// As an Eigen-like matrix lies.
    template <class M, class = std::enable_if_t<detail::is_matrix<M>::value && !std::is_const_v<detail::element_t<M>>>>
    MutableMatrixView(M &&matrix) : MutableMatrixView(matrix.data(), detail::Layout<std::remove_reference_t<M>>(matrix)) {}

    /// Column-major.
    template <class T>
    static MutableMatrixView by_columns(T *data, std::size_t rows, std::size_t cols) noexcept {
        return {data, rows, cols, 1, static_cast<std::ptrdiff_t>(rows)};
    }

    const chreode_matrix_mut &raw() const noexcept { return raw_; }

  private:
    template <class T, class M>
    MutableMatrixView(T *data, const detail::Layout<M> &at) noexcept
        : MutableMatrixView(data, at.rows, at.cols, at.row_stride, at.col_stride) {}

    chreode_matrix_mut raw_;
};

/// A matrix that is read: one row a cell, one column a coordinate. It must not outlive what it is made from.
class MatrixView {
  public:
    /// The element (i, j) lies i * row_stride + j * col_stride elements from data, which points to the element (0, 0). Strides
    /// may be negative or zero.
    template <class T>
    MatrixView(const T *data, std::size_t rows, std::size_t cols, std::ptrdiff_t row_stride, std::ptrdiff_t col_stride) noexcept
        : raw_{data, rows, cols, row_stride, col_stride, detail::dtype<T>()} {}

    /// Row-major.
    template <class T>
    MatrixView(const T *data, std::size_t rows, std::size_t cols) noexcept
        : MatrixView(data, rows, cols, static_cast<std::ptrdiff_t>(cols), 1) {}

    /// Rows of `cols` elements, one after another.
    template <class T>
    MatrixView(const std::vector<T> &rows, std::size_t cols)
        : MatrixView(rows.data(), detail::rows_of(rows.size(), cols), cols) {}

    /// As an Eigen-like matrix lies.
    template <class M, class = std::enable_if_t<detail::is_matrix<const M>::value>>
    MatrixView(const M &matrix) : MatrixView(matrix.data(), detail::Layout<const M>(matrix)) {}

    MatrixView(const MutableMatrixView &view) noexcept
        : raw_{view.raw().data,       view.raw().rows,       view.raw().cols,
               view.raw().row_stride, view.raw().col_stride, view.raw().dtype} {}

    /// Column-major.
    template <class T>
    static MatrixView by_columns(const T *data, std::size_t rows, std::size_t cols) noexcept {
        return {data, rows, cols, 1, static_cast<std::ptrdiff_t>(rows)};
    }

    std::size_t rows() const noexcept { return raw_.rows; }
    std::size_t cols() const noexcept { return raw_.cols; }
    /// The same matrix without all but `count` of its rows, from `first` on.
    MatrixView middle_rows(std::size_t first, std::size_t count) const {
        if (first > raw_.rows || count > raw_.rows - first) {
            detail::invalid("rows " + std::to_string(first) + " to " + std::to_string(first + count) + " of " +
                            std::to_string(raw_.rows));
        }
        MatrixView part = *this;
        part.raw_.rows = count;
        if (count > 0) {
            const std::ptrdiff_t size = raw_.dtype == CHREODE_F32 ? sizeof(float) : sizeof(double);
            part.raw_.data = static_cast<const char *>(raw_.data) + static_cast<std::ptrdiff_t>(first) * raw_.row_stride * size;
        }
        return part;
    }

    const chreode_matrix &raw() const noexcept { return raw_; }

  private:
    template <class T, class M>
    MatrixView(const T *data, const detail::Layout<M> &at) noexcept
        : MatrixView(data, at.rows, at.cols, at.row_stride, at.col_stride) {}

    chreode_matrix raw_;
};

/// A matrix of its own, which the library returns: row-major and of single precision, as it computes. Its members are those
/// that Eigen's matrices have, so that it is a view wherever one is wanted, and `Eigen::Map` takes its data().
class Matrix {
  public:
    static constexpr bool IsRowMajor = true;

    Matrix() = default;
    Matrix(std::size_t rows, std::size_t cols) : rows_(rows), cols_(cols), values_(rows * cols) {}

    float operator()(std::size_t i, std::size_t j) const { return values_[i * cols_ + j]; }
    float &operator()(std::size_t i, std::size_t j) { return values_[i * cols_ + j]; }

    std::size_t rows() const noexcept { return rows_; }
    std::size_t cols() const noexcept { return cols_; }
    std::size_t size() const noexcept { return values_.size(); }
    const float *data() const noexcept { return values_.data(); }
    float *data() noexcept { return values_.data(); }
    std::ptrdiff_t innerStride() const noexcept { return 1; }
    std::ptrdiff_t outerStride() const noexcept { return static_cast<std::ptrdiff_t>(cols_); }

  private:
    std::size_t rows_ = 0, cols_ = 0;
    std::vector<float> values_;
};

namespace detail {

/// What all handles can do.
template <class T, void (*Free)(T *)>
class Handle {
  public:
    /// Takes over a handle of chreode.h.
    explicit Handle(T *handle) noexcept : handle_(handle) {}

    /// The handle for functions of chreode.h, which keeps its owner; NULL if it was moved from.
    T *get() const noexcept { return handle_.get(); }

    /// Gives the handle away, to be freed by the caller.
    [[nodiscard]] T *release() noexcept { return handle_.release(); }

    /// Whether there is a handle: false for what was moved from.
    explicit operator bool() const noexcept { return handle_ != nullptr; }

  private:
    struct Freeing {
        void operator()(T *handle) const noexcept { Free(handle); }
    };
    std::unique_ptr<T, Freeing> handle_;
};

/// The handle that a call makes.
template <class T, class Call>
T *made(Call &&call) {
    T *handle = nullptr;
    check(call(&handle));
    return handle;
}

} // namespace detail

/// The value of an option, from a number, a truth or a text.
class Value {
  public:
    Value(double value) : kind_(Kind::real), real_(value) {}
    Value(float value) : Value(static_cast<double>(value)) {}
    Value(bool value) : Value(value ? "true" : "false") {}
    Value(const char *value) : kind_(Kind::text), text_(value) {}
    Value(std::string value) : kind_(Kind::text), text_(std::move(value)) {}
    Value(std::string_view value) : Value(std::string(value)) {}
    /// As text, since seeds may be larger than chreode_options_set_integer takes.
    template <class T, class = std::enable_if_t<std::is_integral_v<T>>>
    Value(T value) : kind_(Kind::text), text_(std::to_string(value)) {}

  private:
    friend class Options;
    enum class Kind { real, text };
    Kind kind_;
    double real_ = 0;
    std::string text_;
};

/// What an option is, in words: see chreode_option.
struct OptionDescription {
    std::string name, kind, default_value, range, meaning;
};

/// Options of one list, "fit", "simulate", "evaluate", "validate", "transport" or a data set's, set by name in any order. What is not set
/// is what it is by default.
class Options : public detail::Handle<chreode_options, chreode_options_free> {
  public:
    using Handle::Handle;

    explicit Options(const std::string &list) : Handle(make(list)) {}

    /// Options("fit", {{"method", "usb"}, {"delta", 1.5}})
    Options(const std::string &list, std::initializer_list<std::pair<const char *, Value>> settings) : Options(list) {
        for (const auto &[name, value] : settings) {
            set(name, value);
        }
    }

    Options &set(const std::string &name, const Value &value) {
        const char *option = detail::c_text(name);
        detail::check(value.kind_ == Value::Kind::real
                          ? chreode_options_set_real(get(), option, value.real_)
                          : chreode_options_set_string(get(), option, detail::c_text(value.text_)));
        return *this;
    }

    /// Gives an option its default back.
    Options &unset(const std::string &name) {
        detail::check(chreode_options_unset(get(), detail::c_text(name)));
        return *this;
    }

    /// The text of an option; empty if it was not set.
    std::string operator[](const std::string &name) const {
        const char *option = detail::c_text(name);
        return detail::text([&](char *buffer, std::size_t capacity, std::size_t *size) {
            return chreode_options_get(get(), option, buffer, capacity, size);
        });
    }

    /// All options of the list, set or not.
    std::vector<OptionDescription> describe() const {
        const auto count = detail::told<std::size_t>([&](std::size_t *n) { return chreode_options_count(get(), n); });
        std::vector<OptionDescription> descriptions;
        for (std::size_t i = 0; i < count; ++i) {
            chreode_option option{};
            detail::check(chreode_options_describe(get(), i, &option));
            descriptions.push_back({option.name, option.kind, option.default_value, option.range, option.meaning});
        }
        return descriptions;
    }

    /// The handle for a call that takes NULL for all defaults: what was moved from is no such wish.
    const chreode_options *given() const {
        if (!*this) {
            detail::invalid("the options were moved from");
        }
        return get();
    }

  private:
    static chreode_options *make(const std::string &list) {
        const char *name = detail::c_text(list);
        return detail::made<chreode_options>([&](chreode_options **out) { return chreode_options_new(name, out); });
    }
};

/// The cells of one time, for Snapshots::from_blocks. Without weights every cell weighs 1.
struct Block {
    double time;
    MatrixView points;
    Span<const double> weights{};
};

/// Cells at increasing times, with weights: a copy of the caller's data, which never changes.
class Snapshots : public detail::Handle<chreode_snapshots, chreode_snapshots_free> {
  public:
    using Handle::Handle;

    /// Cells with time labels: one time and, unless all weigh 1, one weight a row, in any order.
    Snapshots(const MatrixView &points, Span<const double> times, Span<const double> weights = {})
        : Handle(detail::made<chreode_snapshots>([&](chreode_snapshots **out) {
              return chreode_snapshots_new(&points.raw(), times.data(), times.size(), weights.data(), weights.size(), out);
          })) {}

    /// One matrix a time.
    static Snapshots from_blocks(const std::vector<Block> &blocks) {
        std::vector<chreode_matrix> points;
        std::vector<double> times;
        std::vector<const double *> weights;
        for (const Block &block : blocks) {
            // The C function is told no number of weights.
            if (!block.weights.empty() && block.weights.size() != block.points.rows()) {
                detail::invalid("the weights of the cells at time " + std::to_string(block.time) + " must be " +
                                std::to_string(block.points.rows()) + ", got " + std::to_string(block.weights.size()));
            }
            points.push_back(block.points.raw());
            times.push_back(block.time);
            weights.push_back(block.weights.data());
        }
        return make([&](chreode_snapshots **out) {
            return chreode_snapshots_from_blocks(points.data(), times.data(), weights.data(), blocks.size(), out);
        });
    }

    /// As the constructor, without a copy of the points, which must stay as they are for as long as these snapshots, and those made of
    /// them, are there: single precision, one row after another.
    static Snapshots borrow(const MatrixView &points, Span<const double> times, Span<const double> weights = {}) {
        return make([&](chreode_snapshots **out) {
            return chreode_snapshots_borrow(
                &points.raw(), times.data(), times.size(), weights.data(), weights.size(), out);
        });
    }

    /// A built-in data set, by options of its list.
    static Snapshots generate(const Options &options) {
        return make([&](chreode_snapshots **out) { return chreode_snapshots_generate(options.get(), out); });
    }

    /// A built-in data set by its name, with its defaults.
    static Snapshots generate(const std::string &data_set) { return generate(Options(data_set)); }

    /// The same with other total masses, one a time.
    Snapshots with_masses(Span<const double> masses) const {
        return make([&](chreode_snapshots **out) {
            return chreode_snapshots_with_masses(get(), masses.data(), masses.size(), out);
        });
    }

    /// The same with a growth rate that is expected of each cell, in the order of time: see chreode_snapshots_with_growth_prior.
    Snapshots with_growth_prior(Span<const double> rates) const {
        return make([&](chreode_snapshots **out) {
            return chreode_snapshots_with_growth_prior(get(), rates.data(), rates.size(), out);
        });
    }

    /// The same with the clone of each cell, -1 where it is not known, in the order of time: see chreode_snapshots_with_clones.
    Snapshots with_clones(Span<const std::int64_t> clones) const {
        return make([&](chreode_snapshots **out) {
            return chreode_snapshots_with_clones(get(), clones.data(), clones.size(), out);
        });
    }

    /// Those at all other times.
    Snapshots without(Span<const double> times) const {
        return make([&](chreode_snapshots **out) {
            return chreode_snapshots_without(get(), times.data(), times.size(), out);
        });
    }

    std::size_t dims() const {
        return detail::told<std::size_t>([&](std::size_t *n) { return chreode_snapshots_dims(get(), n); });
    }

    std::size_t time_count() const {
        return detail::told<std::size_t>([&](std::size_t *n) { return chreode_snapshots_time_count(get(), n); });
    }

    std::vector<double> times() const {
        std::vector<double> times(time_count());
        detail::check(chreode_snapshots_times(get(), times.data(), times.size()));
        return times;
    }

    /// The number of cells at time number `k`, counted from 0.
    std::size_t cell_count(std::size_t k) const {
        return detail::told<std::size_t>([&](std::size_t *n) { return chreode_snapshots_cell_count(get(), k, n); });
    }

    Matrix points(std::size_t k) const {
        Matrix points(cell_count(k), dims());
        this->points(k, points);
        return points;
    }

    void points(std::size_t k, const MutableMatrixView &points) const {
        detail::check(chreode_snapshots_points(get(), k, &points.raw()));
    }

    std::vector<double> weights(std::size_t k) const {
        std::vector<double> weights(cell_count(k));
        detail::check(chreode_snapshots_weights(get(), k, weights.data(), weights.size()));
        return weights;
    }

    double mass(std::size_t k) const {
        return detail::told<double>([&](double *mass) { return chreode_snapshots_mass(get(), k, mass); });
    }

    /// The rows of `count` different cells at time number `k`, drawn by `seed` with chances in proportion to their weights.
    std::vector<std::size_t> sample_rows(std::size_t k, std::size_t count, std::uint64_t seed) const {
        std::vector<std::uint64_t> rows(count);
        detail::check(chreode_snapshots_sample(get(), k, count, seed, rows.data()));
        return {rows.begin(), rows.end()};
    }

    /// Those cells: what a branching simulation starts from.
    Matrix sample(std::size_t k, std::size_t count, std::uint64_t seed) const {
        const std::vector<std::size_t> rows = sample_rows(k, count, seed);
        const Matrix all = points(k);
        Matrix drawn(rows.size(), all.cols());
        for (std::size_t i = 0; i < rows.size(); ++i) {
            for (std::size_t j = 0; j < all.cols(); ++j) {
                drawn(i, j) = all(rows[i], j);
            }
        }
        return drawn;
    }

  private:
    template <class Call>
    static Snapshots make(Call &&call) {
        return Snapshots(detail::made<chreode_snapshots>(std::forward<Call>(call)));
    }
};

/// What became of a cell.
enum class Fate : std::int32_t {
    alive = CHREODE_FATE_ALIVE,
    divided = CHREODE_FATE_DIVIDED,
    died = CHREODE_FATE_DIED,
};

/// A cell of a branching population.
struct Cell {
    std::int64_t parent; ///< its parent's number; -1 for a founder
    double birth, end;
    Fate fate;
};

/// The particles of a simulation at every output time, and the lineage of a branching population.
class Trajectory : public detail::Handle<chreode_trajectory, chreode_trajectory_free> {
  public:
    using Handle::Handle;

    std::size_t dims() const {
        return detail::told<std::size_t>([&](std::size_t *n) { return chreode_trajectory_dims(get(), n); });
    }

    /// One frame an output time, in the order in which they were asked for.
    std::size_t frame_count() const {
        return detail::told<std::size_t>([&](std::size_t *n) { return chreode_trajectory_frame_count(get(), n); });
    }

    double time(std::size_t k) const { return frame(k).time; }

    /// The number of particles of frame `k`, counted from 0. A branching population may have died out.
    std::size_t count(std::size_t k) const { return frame(k).count; }

    Matrix points(std::size_t k) const {
        Matrix points(count(k), dims());
        this->points(k, points);
        return points;
    }

    void points(std::size_t k, const MutableMatrixView &points) const {
        detail::check(chreode_trajectory_points(get(), k, &points.raw()));
    }

    std::vector<double> weights(std::size_t k) const {
        std::vector<double> weights(count(k));
        detail::check(chreode_trajectory_weights(get(), k, weights.data(), weights.size()));
        return weights;
    }

    /// The mass of every frame.
    std::vector<double> masses() const {
        std::vector<double> masses(frame_count());
        detail::check(chreode_trajectory_masses(get(), masses.data(), nullptr, masses.size()));
        return masses;
    }

    /// The standard deviations of their errors, of an ensemble; else NaN: see chreode_trajectory_masses.
    std::vector<double> mass_sds() const {
        std::vector<double> sds(frame_count());
        detail::check(chreode_trajectory_masses(get(), nullptr, sds.data(), sds.size()));
        return sds;
    }

    /// Who the particles are: of a branching population their numbers in the lineage, else the rows they started from.
    std::vector<std::uint64_t> ids(std::size_t k) const {
        std::vector<std::uint64_t> ids(count(k));
        detail::check(chreode_trajectory_ids(get(), k, ids.data(), ids.size()));
        return ids;
    }

    /// For each particle the row of the frame before (for the first frame, of the start) that it comes from.
    std::vector<std::uint64_t> ancestors(std::size_t k) const {
        std::vector<std::uint64_t> ancestors(count(k));
        detail::check(chreode_trajectory_ancestors(get(), k, ancestors.data(), ancestors.size()));
        return ancestors;
    }

    /// Every cell that lived in a branching population, founders first, parents before daughters; none in other modes.
    std::vector<Cell> lineage() const {
        const auto count = detail::told<std::size_t>([&](std::size_t *n) { return chreode_trajectory_cell_count(get(), n); });
        std::vector<std::int64_t> parents(count);
        std::vector<double> births(count), ends(count);
        std::vector<std::int32_t> fates(count);
        detail::check(
            chreode_trajectory_lineage(get(), parents.data(), births.data(), ends.data(), fates.data(), count));
        std::vector<Cell> cells;
        cells.reserve(count);
        for (std::size_t i = 0; i < count; ++i) {
            cells.push_back({parents[i], births[i], ends[i], static_cast<Fate>(fates[i])});
        }
        return cells;
    }

    /// The lineage in the Newick format, one tree a line; empty in other modes.
    std::string newick() const {
        return detail::text([&](char *buffer, std::size_t capacity, std::size_t *size) {
            return chreode_trajectory_newick(get(), buffer, capacity, size);
        });
    }

    /// What is to be known beside the particles, as a JSON object: its warnings say why the simulation may mean little.
    std::string report() const {
        return detail::text([&](char *buffer, std::size_t capacity, std::size_t *size) {
            return chreode_trajectory_report(get(), buffer, capacity, size);
        });
    }

  private:
    struct Frame {
        double time;
        std::size_t count;
    };

    Frame frame(std::size_t k) const {
        Frame frame{};
        detail::check(chreode_trajectory_frame(get(), k, &frame.time, &frame.count));
        return frame;
    }
};

/// How well a model predicts the snapshots after the first from the first.
class Evaluation : public detail::Handle<chreode_evaluation, chreode_evaluation_free> {
  public:
    using Handle::Handle;

    /// The number of time points: all but the first.
    std::size_t time_count() const {
        return detail::told<std::size_t>([&](std::size_t *n) { return chreode_evaluation_time_count(get(), n); });
    }

    /// A measure of every time point: "time", "w1", "w2", "rme", "w1_sd", "w2_sd" or "rme_sd".
    std::vector<double> values(const std::string &name) const {
        std::vector<double> values(time_count());
        detail::check(chreode_evaluation_values(get(), detail::c_text(name), values.data(), values.size()));
        return values;
    }

    /// A measure of all time points together: "mean_w1", "mean_rme", "mean_w1_sd", "mean_rme_sd" or "action".
    double value(const std::string &name) const {
        const char *measure = detail::c_text(name);
        return detail::told<double>([&](double *value) { return chreode_evaluation_value(get(), measure, value); });
    }

    /// Everything as a JSON object.
    std::string json() const {
        return detail::text([&](char *buffer, std::size_t capacity, std::size_t *size) {
            return chreode_evaluation_json(get(), buffer, capacity, size);
        });
    }
};

/// Where a long call stands.
struct Progress {
    /// What is being done, as chreode_progress lists it: "coupling", "training", "simulation", ... It is good until the progress
    /// function returns.
    std::string_view stage;
    std::size_t done, total;
    double loss; ///< the latest of a training; NaN where there is none
};

namespace detail {

/// The progress function of those who wish to be told nothing.
struct Silent {};

/// Whether a progress function wishes the call to go on.
template <class Function>
bool goes_on(Function &function, const Progress &progress) {
    using Answer = std::invoke_result_t<Function &, const Progress &>;
    static_assert(std::is_void_v<Answer> || std::is_same_v<Answer, bool>,
                  "a progress function returns nothing, or a bool: true to go on, false to end the call");
    if constexpr (std::is_void_v<Answer>) {
        function(progress);
        return true;
    } else {
        return function(progress);
    }
}

/// A progress function of C++ in the place of one of C: what it throws is kept, since it must not pass through the library.
template <class Function>
struct Listener {
    Function &function;
    std::exception_ptr thrown{};

    /// The function for C, whose data is this.
    static constexpr chreode_progress_fn c_function() noexcept {
        if constexpr (std::is_same_v<std::remove_const_t<Function>, Silent>) {
            return nullptr;
        } else {
            return hear;
        }
    }

    static std::int32_t hear(const chreode_progress *now, void *listener) noexcept {
        auto &self = *static_cast<Listener *>(listener);
        try {
            return goes_on(self.function, {now->stage, now->done, now->total, now->loss}) ? 0 : 1;
        } catch (...) {
            self.thrown = std::current_exception();
            return 1;
        }
    }
};

/// What `call(function, data)`, a call of C that reports, returns; what the progress function threw is thrown again.
template <class Function, class Call>
chreode_status watched(Function &progress, Call &&call) {
    Listener<Function> listener{progress};
    const chreode_status status = call(listener.c_function(), &listener);
    if (listener.thrown) {
        std::rethrow_exception(listener.thrown);
    }
    return status;
}

} // namespace detail

/// Which cells of each time become which of the next, with how much mass at either end.
class Couplings : public detail::Handle<chreode_couplings, chreode_couplings_free> {
  public:
    using Handle::Handle;

    /// The numbers of cells before, of cells after, and of coupled pairs.
    struct Size {
        std::size_t rows, cols, pairs;
    };

    /// Of each pair its cell before and its cell after, counted from 0 among those of their times, the mass that the one sends and
    /// the mass that the other receives.
    struct Pairs {
        std::vector<std::uint64_t> sources, targets;
        std::vector<double> sent, received;
    };

    /// Of each cell of a time what it sends to cells of the next and what of it dies; what it receives from cells of the time before
    /// and what of it is born.
    struct Cells {
        std::vector<double> sent, dying, received, born;
    };

    /// What became of a distribution: the mass on each cell, and, of each interval on the way, what stood on cells without a partner.
    struct Carried {
        std::vector<double> masses, lost;
    };

    std::vector<double> times() const {
        std::vector<double> times(time_count());
        detail::check(chreode_couplings_times(get(), times.data(), nullptr, times.size()));
        return times;
    }

    /// How many cells each time has.
    std::vector<std::size_t> counts() const {
        std::vector<std::uint64_t> counts(time_count());
        detail::check(chreode_couplings_times(get(), nullptr, counts.data(), counts.size()));
        return {counts.begin(), counts.end()};
    }

    /// Of the interval from time number `k` to the next, counted from 0.
    Size size(std::size_t k) const {
        Size size{};
        detail::check(chreode_couplings_size(get(), k, &size.rows, &size.cols, &size.pairs));
        return size;
    }

    Pairs pairs(std::size_t k) const {
        const std::size_t count = size(k).pairs;
        Pairs all{std::vector<std::uint64_t>(count), std::vector<std::uint64_t>(count), std::vector<double>(count),
                  std::vector<double>(count)};
        detail::check(chreode_couplings_pairs(get(), k, all.sources.data(), all.targets.data(), all.sent.data(),
                                              all.received.data(), count));
        return all;
    }

    /// Of the cells of time number `k`, counted from 0.
    Cells cells(std::size_t k) const {
        const std::size_t count = count_at(k);
        Cells all{std::vector<double>(count), std::vector<double>(count), std::vector<double>(count), std::vector<double>(count)};
        detail::check(chreode_couplings_cells(get(), k, all.sent.data(), all.dying.data(), all.received.data(),
                                              all.born.data(), count));
        return all;
    }

    /// Carries a mass on each cell of time number `from` to those of time number `to`, onwards (descendants) or back (ancestors), as a
    /// "share" or as "mass": see chreode_couplings_carry.
    Carried carry(std::size_t from, std::size_t to, Span<const double> masses, const std::string &carry = "share") const {
        const std::size_t steps = from < to ? to - from : from - to;
        Carried carried{std::vector<double>(count_at(to)), std::vector<double>(std::min(steps, time_count()))};
        detail::check(chreode_couplings_carry(get(), from, to, detail::c_text(carry), masses.data(), masses.size(),
                                              carried.masses.data(), carried.masses.size(), carried.lost.data(),
                                              carried.lost.size()));
        return carried;
    }

    /// How they were made, as a JSON object: see chreode_couplings_report.
    std::string report() const {
        return detail::text([&](char *buffer, std::size_t capacity, std::size_t *size) {
            return chreode_couplings_report(get(), buffer, capacity, size);
        });
    }

  private:
    std::size_t time_count() const {
        return detail::told<std::size_t>([&](std::size_t *n) { return chreode_couplings_time_count(get(), n); });
    }

    std::size_t count_at(std::size_t k) const {
        const std::vector<std::size_t> all = counts();
        return k < all.size() ? all[k] : 0; // the library refuses the number, and tells what is allowed
    }
};

/// Couples the cells of consecutive times as fit() does by the same options, and trains nothing. `progress` is as for fit(), and ends
/// the call with an Error.
template <class Function = detail::Silent>
Couplings couple(const Snapshots &snapshots, const Options &options = Options("fit"), Function &&progress = Function()) {
    const chreode_options *given = options.given();
    return Couplings(detail::made<chreode_couplings>([&](chreode_couplings **out) {
        return detail::watched(progress, [&](chreode_progress_fn tell, void *data) {
            return chreode_couple(snapshots.get(), given, tell, data, out);
        });
    }));
}

/// What cells become, by labels of later cells.
class Fates : public detail::Handle<chreode_fates, chreode_fates_free> {
  public:
    using Handle::Handle;

    /// Which label's cells at one time became which: labels of the rows, -1 first where cells have none, and the mass of the cells of each.
    struct Transition {
        double time;
        std::vector<std::int32_t> labels;
        std::vector<double> masses;
    };

    /// The labels of the columns, increasing.
    std::vector<std::int32_t> labels() const {
        std::vector<std::int32_t> labels(shape().labels);
        detail::check(chreode_fates_labels(get(), labels.data(), labels.size()));
        return labels;
    }

    /// The cells of the rows, by their numbers in the order in which the snapshots hold them, from 0.
    std::vector<std::uint64_t> cells() const {
        std::vector<std::uint64_t> cells(shape().cells);
        detail::check(chreode_fates_cells(get(), cells.data(), nullptr, cells.size()));
        return cells;
    }

    /// The time of each of these cells.
    std::vector<double> times() const {
        std::vector<double> times(shape().cells);
        detail::check(chreode_fates_cells(get(), nullptr, times.data(), times.size()));
        return times;
    }

    /// Numbers of every cell, one after another: "p" and "n" of every label, "p_none" alone, their standard errors "se_p", "se_n" and
    /// "se_p_none", and their standard deviations "sd_p", "sd_n" and "sd_p_none": see chreode_fates_values.
    std::vector<double> values(const std::string &name) const {
        const Shape size = shape();
        const bool none = name.size() >= 4 && name.compare(name.size() - 4, 4, "none") == 0;
        const std::size_t columns = none ? 1 : size.labels;
        std::vector<double> values(size.cells * columns);
        const MutableMatrixView rows(values.data(), size.cells, columns);
        detail::check(chreode_fates_values(get(), detail::c_text(name), &rows.raw()));
        return values;
    }

    /// One table of transitions for each time of the cells, in order.
    std::vector<Transition> transitions() const {
        const auto count = detail::told<std::size_t>([&](std::size_t *n) { return chreode_fates_transition_count(get(), n); });
        std::vector<Transition> all;
        for (std::size_t k = 0; k < count; ++k) {
            Transition table{};
            std::size_t sources = 0;
            detail::check(chreode_fates_transition(get(), k, &table.time, &sources));
            table.labels.resize(sources);
            table.masses.resize(sources);
            detail::check(
                chreode_fates_transition_sources(get(), k, table.labels.data(), table.masses.data(), sources));
            all.push_back(std::move(table));
        }
        return all;
    }

    /// Numbers of the table of transitions `k`, counted from 0, row after row: "mass", "se_mass", "sd_mass", "went" or "came".
    std::vector<double> transition_values(std::size_t k, const std::string &name) const {
        double time = 0;
        std::size_t sources = 0;
        detail::check(chreode_fates_transition(get(), k, &time, &sources));
        const std::size_t columns = shape().labels;
        std::vector<double> values(sources * columns);
        const MutableMatrixView rows(values.data(), sources, columns);
        detail::check(chreode_fates_transition_values(get(), k, detail::c_text(name), &rows.raw()));
        return values;
    }

    /// What is to be known beside the numbers, as a JSON object: see chreode_fates_report.
    std::string report() const {
        return detail::text([&](char *buffer, std::size_t capacity, std::size_t *size) {
            return chreode_fates_report(get(), buffer, capacity, size);
        });
    }

  private:
    struct Shape {
        std::size_t cells, labels;
    };

    Shape shape() const {
        Shape shape{};
        detail::check(chreode_fates_shape(get(), &shape.cells, &shape.labels));
        return shape;
    }
};

/// A field that every model has; one that was not learned is zero, but for the landscape, which is an error.
struct Field {
    std::string name;
    std::size_t columns;
};

/// Learned dynamics: velocity, growth rate and score drift of a population.
class Model : public detail::Handle<chreode_model, chreode_model_free> {
  public:
    using Handle::Handle;

    static Model load(const std::string &path) {
        const char *file = detail::c_text(path);
        return Model(detail::made<chreode_model>([&](chreode_model **out) { return chreode_model_load(file, out); }));
    }

    static Model from_bytes(Span<const std::uint8_t> bytes) {
        return Model(detail::made<chreode_model>(
            [&](chreode_model **out) { return chreode_model_from_bytes(bytes.data(), bytes.size(), out); }));
    }

    void save(const std::string &path) const { detail::check(chreode_model_save(get(), detail::c_text(path))); }

    /// The bytes that save() writes.
    std::vector<std::uint8_t> to_bytes() const {
        return detail::sized<std::vector<std::uint8_t>>([&](std::uint8_t *buffer, std::size_t capacity, std::size_t *size) {
            return chreode_model_to_bytes(get(), buffer, capacity, size);
        });
    }

    std::size_t dims() const {
        return detail::told<std::size_t>([&](std::size_t *n) { return chreode_model_dims(get(), n); });
    }

    /// What the model is, as a JSON object: see chreode_model_info.
    std::string info() const {
        return detail::text([&](char *buffer, std::size_t capacity, std::size_t *size) {
            return chreode_model_info(get(), buffer, capacity, size);
        });
    }

    /// How the fit went, as a JSON object, "null" for a model from bytes: see chreode_model_report.
    std::string report() const {
        return detail::text([&](char *buffer, std::size_t capacity, std::size_t *size) {
            return chreode_model_report(get(), buffer, capacity, size);
        });
    }

    /// The number of members of an ensemble, whose mean the fields are; 1 of a model that is none.
    std::size_t members() const {
        return detail::told<std::size_t>([&](std::size_t *n) { return chreode_model_members(get(), n); });
    }

    /// A model of one member of an ensemble, counted from 0: see chreode_model_member.
    Model member(std::size_t index) const {
        return Model(detail::made<chreode_model>([&](chreode_model **out) { return chreode_model_member(get(), index, out); }));
    }

    /// The number of branches of a population that goes several ways; 0 of a model that has none.
    std::size_t branches() const {
        return detail::told<std::size_t>([&](std::size_t *n) { return chreode_model_branches(get(), n); });
    }

    /// A model of one branch, counted from 0: see chreode_model_branch.
    Model branch(std::size_t index) const {
        return Model(detail::made<chreode_model>([&](chreode_model **out) { return chreode_model_branch(get(), index, out); }));
    }

    /// The loss of every training step; empty for a model from bytes.
    std::vector<double> losses() const {
        std::vector<double> losses(
            detail::told<std::size_t>([&](std::size_t *n) { return chreode_model_loss_count(get(), n); }));
        detail::check(chreode_model_losses(get(), losses.data(), losses.size()));
        return losses;
    }

    /// A text that was set by its name; empty if there is none.
    std::string attribute(const std::string &name) const {
        const char *attribute = detail::c_text(name);
        return detail::text([&](char *buffer, std::size_t capacity, std::size_t *size) {
            return chreode_model_attribute(get(), attribute, buffer, capacity, size);
        });
    }

    /// Sets a text that the model keeps and does not look at; an empty one takes it away.
    void set_attribute(const std::string &name, const std::string &value) {
        detail::check(chreode_model_set_attribute(get(), detail::c_text(name), detail::c_text(value)));
    }

    /// Sets what the coordinates are called, one name a dimension: info() tells them.
    void set_coordinates(const std::vector<std::string> &names) {
        std::vector<const char *> texts;
        for (const std::string &name : names) {
            texts.push_back(detail::c_text(name));
        }
        detail::check(chreode_model_set_coordinates(get(), texts.data(), texts.size()));
    }

    /// How many threads the model computes with; 0 for all cores.
    std::size_t threads() const {
        return detail::told<std::size_t>([&](std::size_t *n) { return chreode_model_threads(get(), n); });
    }

    void set_threads(std::size_t threads) { detail::check(chreode_model_set_threads(get(), threads)); }

    /// What field() can evaluate.
    std::vector<Field> fields() const {
        const auto count = detail::told<std::size_t>([&](std::size_t *n) { return chreode_model_field_count(get(), n); });
        std::vector<Field> fields;
        for (std::size_t i = 0; i < count; ++i) {
            const char *name = nullptr;
            std::size_t columns = 0;
            detail::check(chreode_model_field_describe(get(), i, &name, &columns));
            fields.push_back({name, columns});
        }
        return fields;
    }

    /// A field, "velocity", "growth", "score_drift" or "landscape", at points of one time: one row a point.
    Matrix field(const std::string &name, double time, const MatrixView &points) const {
        Matrix values(points.rows(), columns_of(name));
        field(name, time, points, values);
        return values;
    }

    /// The same into memory of the caller's. Nothing is copied where both are row-major and of single precision.
    void field(const std::string &name, double time, const MatrixView &points, const MutableMatrixView &values) const {
        detail::check(chreode_model_field(get(), detail::c_text(name), time, &points.raw(), &values.raw()));
    }

    /// A field at points each of which has a time of its own, one a row: see chreode_model_field_at.
    Matrix field_at(const std::string &name, Span<const double> times, const MatrixView &points) const {
        Matrix values(points.rows(), columns_of(name));
        field_at(name, times, points, values);
        return values;
    }

    /// The same into memory of the caller's. `progress` is as for fit(), and ends the call with an Error.
    template <class Function = detail::Silent>
    void field_at(const std::string &name, Span<const double> times, const MatrixView &points, const MutableMatrixView &values,
                  Function &&progress = Function()) const {
        const char *field = detail::c_text(name);
        detail::check(detail::watched(progress, [&](chreode_progress_fn tell, void *data) {
            return chreode_model_field_at(get(), field, times.data(), times.size(), &points.raw(), tell, data, &values.raw());
        }));
    }

    /// The standard deviations of the errors of a field of an ensemble, at points that have one time, or one a row: see
    /// chreode_model_field_sd. `progress` is as for fit(), and ends the call with an Error.
    template <class Function = detail::Silent>
    Matrix field_sd(const std::string &name, Span<const double> times, const MatrixView &points,
                    Function &&progress = Function()) const {
        const char *field = detail::c_text(name);
        return evaluated(name, points, progress, [&](chreode_progress_fn tell, void *data, const chreode_matrix_mut *values) {
            return chreode_model_field_sd(get(), field, times.data(), times.size(), &points.raw(), tell, data, values);
        });
    }

    /// The quantile of a level of what a field of an ensemble may be: see chreode_model_field_quantile.
    template <class Function = detail::Silent>
    Matrix field_quantile(const std::string &name, double level, Span<const double> times, const MatrixView &points,
                          Function &&progress = Function()) const {
        const char *field = detail::c_text(name);
        return evaluated(name, points, progress, [&](chreode_progress_fn tell, void *data, const chreode_matrix_mut *values) {
            return chreode_model_field_quantile(get(), field, level, times.data(), times.size(), &points.raw(), tell, data, values);
        });
    }

    /// Simulates a population from `points` at `start` to each of `times`: see chreode_simulate. Without weights every point
    /// weighs 1. `progress` is as for fit(), and ends the call with an Error.
    template <class Function = detail::Silent>
    Trajectory simulate(double start, const MatrixView &points, Span<const double> times,
                        const Options &options = Options("simulate"), Span<const double> weights = {},
                        Function &&progress = Function()) const {
        const chreode_options *given = options.given();
        return Trajectory(detail::made<chreode_trajectory>([&](chreode_trajectory **out) {
            return detail::watched(progress, [&](chreode_progress_fn tell, void *data) {
                return chreode_simulate(get(), start, &points.raw(), weights.data(), weights.size(), times.data(),
                                        times.size(), given, tell, data, out);
            });
        }));
    }

    /// Predicts every later snapshot from the first, and compares. `progress` is as for fit(), and ends the call with an Error.
    template <class Function = detail::Silent>
    Evaluation evaluate(const Snapshots &snapshots, const Options &options = Options("evaluate"),
                        Function &&progress = Function()) const {
        const chreode_options *given = options.given();
        return Evaluation(detail::made<chreode_evaluation>([&](chreode_evaluation **out) {
            return detail::watched(progress, [&](chreode_progress_fn tell, void *data) {
                return chreode_evaluate(get(), snapshots.get(), given, tell, data, out);
            });
        }));
    }

    /// What cells become, by the labels of later cells: a number from 0 for each cell, or -1 where it is not known, in the order in
    /// which the snapshots hold the cells. See chreode_fates_new. `progress` is as for fit(), and ends the call with an Error.
    template <class Function = detail::Silent>
    Fates fates(const Snapshots &snapshots, Span<const std::int32_t> labels, const Options &options = Options("fates"),
                Function &&progress = Function()) const {
        const chreode_options *given = options.given();
        return Fates(detail::made<chreode_fates>([&](chreode_fates **out) {
            return detail::watched(progress, [&](chreode_progress_fn tell, void *data) {
                return chreode_fates_new(get(), snapshots.get(), labels.data(), labels.size(), given, tell, data, out);
            });
        }));
    }

    /// Which cells of one time descend from which of an earlier one, by simulation, as couplings of one interval, by options of the list
    /// "fates": see chreode_descent. `progress` is as for fit(), and ends the call with an Error.
    template <class Function = detail::Silent>
    Couplings descent(const Snapshots &snapshots, const Options &options = Options("fates"),
                      Function &&progress = Function()) const {
        const chreode_options *given = options.given();
        return Couplings(detail::made<chreode_couplings>([&](chreode_couplings **out) {
            return detail::watched(progress, [&](chreode_progress_fn tell, void *data) {
                return chreode_descent(get(), snapshots.get(), given, tell, data, out);
            });
        }));
    }

    /// The couplings of the cells of the fit, of a model that keeps them: see chreode_model_couplings.
    Couplings couplings() const {
        return Couplings(detail::made<chreode_couplings>(
            [&](chreode_couplings **out) { return chreode_model_couplings(get(), out); }));
    }

  private:
    /// The values that a call gives for a field, one row a point.
    template <class Function, class Call>
    Matrix evaluated(const std::string &name, const MatrixView &points, Function &progress, Call &&call) const {
        Matrix values(points.rows(), columns_of(name));
        const MutableMatrixView view(values);
        detail::check(detail::watched(
            progress, [&](chreode_progress_fn tell, void *data) { return call(tell, data, &view.raw()); }));
        return values;
    }

    std::size_t columns_of(const std::string &name) const {
        for (const Field &field : fields()) {
            if (field.name == name) {
                return field.columns;
            }
        }
        return 0; // the library refuses the name, and tells the nearest
    }
};

/// How a fit ended, for try_fit.
struct Fit {
    /// The model; empty if training had not begun. After an early end it has the parameters of the last good step.
    Model model;
    /// CHREODE_OK, or why there is no model or it ended early.
    chreode_status status;
    /// The message that belongs to the status.
    std::string message;
    /// What the progress function threw, if it did: the status is CHREODE_ERROR_CANCELLED then.
    std::exception_ptr thrown;
};

/// A fit that its progress function cancelled or whose loss left the finite numbers, with the model it came to.
using UnfinishedFit = Unfinished<Model>;

namespace detail {

inline Fit fitted(const Snapshots &snapshots, const Options &options, chreode_progress_fn function, void *user_data) {
    const chreode_options *given = options.given();
    chreode_model *handle = nullptr;
    const chreode_status status = chreode_fit(snapshots.get(), given, function, user_data, &handle);
    Model model(handle); // before anything that can throw
    return {std::move(model), status, chreode_last_error_message(), nullptr};
}

} // namespace detail

/// Learns the dynamics of a population from snapshots, by options of the list "fit", and returns however that ends: what the
/// progress function throws, too, is in the result.
template <class Function>
Fit try_fit(const Snapshots &snapshots, const Options &options, Function &&progress) {
    detail::Listener<std::remove_reference_t<Function>> listener{progress};
    Fit fit = detail::fitted(snapshots, options, listener.c_function(), &listener);
    fit.thrown = listener.thrown;
    return fit;
}

inline Fit try_fit(const Snapshots &snapshots, const Options &options = Options("fit")) {
    return detail::fitted(snapshots, options, nullptr, nullptr);
}

namespace detail {

inline Model model_of(Fit &&fit) {
    if (fit.thrown) {
        std::rethrow_exception(fit.thrown);
    }
    if (fit.status == CHREODE_OK) {
        return std::move(fit.model);
    }
    if (fit.model) {
        throw UnfinishedFit(fit.status, fit.message, std::move(fit.model));
    }
    throw Error(fit.status, fit.message);
}

} // namespace detail

/// Learns the dynamics of a population from snapshots, by options of the list "fit".
///
/// `progress` is called with a `const Progress &` on this thread, at most twenty times a second and at the first and last step
/// of a stage. It returns nothing, or false to end the fit, which throws an UnfinishedFit with the model if training had
/// begun, else an Error. An exception of its own ends the fit and comes back as it is; try_fit keeps the model then, too.
template <class Function>
Model fit(const Snapshots &snapshots, const Options &options, Function &&progress) {
    return detail::model_of(try_fit(snapshots, options, std::forward<Function>(progress)));
}

inline Model fit(const Snapshots &snapshots, const Options &options = Options("fit")) {
    return detail::model_of(try_fit(snapshots, options));
}

/// How well recipes predict cells that they were not fitted to.
class Validation : public detail::Handle<chreode_validation, chreode_validation_free> {
  public:
    using Handle::Handle;

    /// Everything as a JSON object: see chreode_validation_json.
    std::string json() const {
        return detail::text([&](char *buffer, std::size_t capacity, std::size_t *size) {
            return chreode_validation_json(get(), buffer, capacity, size);
        });
    }
};

/// Fits recipes to a part of the cells and holds them against the others, by options of the list "validate": see chreode_validate.
/// `parts` has the part that each cell is in, numbered from 0, and `growth` the true growth rate at each, in the order of the
/// snapshots; either may be empty. `progress` is as for fit(), and ends the call with an Error.
template <class Function = detail::Silent>
Validation validate(const Snapshots &snapshots, const Options &options = Options("validate"),
                    const std::vector<std::uint32_t> &parts = {}, const std::vector<double> &growth = {},
                    Function &&progress = Function()) {
    const chreode_options *given = options.given();
    return Validation(detail::made<chreode_validation>([&](chreode_validation **out) {
        return detail::watched(progress, [&](chreode_progress_fn tell, void *data) {
            return chreode_validate(snapshots.get(), given, parts.empty() ? nullptr : parts.data(), parts.size(),
                                    growth.empty() ? nullptr : growth.data(), growth.size(), tell, data, out);
        });
    }));
}

/// An optimal plan between two clouds of points.
class Plan : public detail::Handle<chreode_plan, chreode_plan_free> {
  public:
    using Handle::Handle;

    /// The numbers of source points, of target points and of entries.
    struct Size {
        std::size_t rows, cols, entries;
    };

    /// Row by row with increasing columns: of each entry its source point, its target point and its mass.
    struct Entries {
        std::vector<std::uint64_t> sources, targets;
        std::vector<double> masses;
    };

    /// The dual potentials, one a source point and one a target point.
    struct Potentials {
        std::vector<double> source, target;
    };

    Size size() const {
        Size size{};
        detail::check(chreode_plan_size(get(), &size.rows, &size.cols, &size.entries));
        return size;
    }

    Entries entries() const {
        const std::size_t count = size().entries;
        Entries all{std::vector<std::uint64_t>(count), std::vector<std::uint64_t>(count), std::vector<double>(count)};
        detail::check(chreode_plan_entries(get(), all.sources.data(), all.targets.data(), all.masses.data(), count));
        return all;
    }

    /// Where the entries of each source point begin, and the number of entries: with entries(), the compressed-row form.
    std::vector<std::uint64_t> row_offsets() const {
        std::vector<std::uint64_t> offsets(size().rows + 1);
        detail::check(chreode_plan_row_offsets(get(), offsets.data(), offsets.size()));
        return offsets;
    }

    Potentials potentials() const {
        const Size counts = size();
        Potentials all{std::vector<double>(counts.rows), std::vector<double>(counts.cols)};
        detail::check(chreode_plan_potentials(get(), all.source.data(), counts.rows, all.target.data(), counts.cols));
        return all;
    }

    /// The solver's report as a JSON object.
    std::string report() const {
        return detail::text([&](char *buffer, std::size_t capacity, std::size_t *size) {
            return chreode_plan_report(get(), buffer, capacity, size);
        });
    }
};

/// A plan of a solver that stopped before its tolerance; its report says how far from the optimum.
using UnfinishedPlan = Unfinished<Plan>;

/// Solves a static transport problem between two clouds of points, by options of the list "transport". Without weights every
/// point weighs 1. Throws an UnfinishedPlan if the solver did not converge. `progress` is as for fit(), and ends the call with
/// an Error.
template <class Function = detail::Silent>
Plan transport(const MatrixView &source, const MatrixView &target, const Options &options = Options("transport"),
               Span<const double> source_weights = {}, Span<const double> target_weights = {},
               Function &&progress = Function()) {
    const chreode_options *given = options.given();
    chreode_plan *handle = nullptr;
    // Where the progress function throws, the call was cancelled, and there is no plan that could be lost.
    const chreode_status status = detail::watched(progress, [&](chreode_progress_fn tell, void *data) {
        return chreode_transport(&source.raw(), source_weights.data(), source_weights.size(), &target.raw(),
                                 target_weights.data(), target_weights.size(), given, tell, data, &handle);
    });
    Plan plan(handle);
    if (status != CHREODE_OK && plan) {
        throw UnfinishedPlan(status, chreode_last_error_message(), std::move(plan));
    }
    detail::check(status);
    return plan;
}

/// A long computation in tasks, which any process can do that has the plan and the cells that a task names: see plan_fit() and its likes.
/// The parts of all tasks, in any order, are put together to what the one call gives that does it all, to the bit.
class Work : public detail::Handle<chreode_work, chreode_work_free> {
  public:
    using Handle::Handle;

    /// The bytes of a task's part.
    using Part = std::vector<std::uint8_t>;

    /// The plan that to_bytes() of another process gave.
    static Work from_bytes(Span<const std::uint8_t> bytes) {
        return Work(detail::made<chreode_work>(
            [&](chreode_work **out) { return chreode_work_from_bytes(bytes.data(), bytes.size(), out); }));
    }

    /// The plan for other processes: a JSON object.
    std::vector<std::uint8_t> to_bytes() const {
        return detail::sized<std::vector<std::uint8_t>>([&](std::uint8_t *buffer, std::size_t capacity, std::size_t *size) {
            return chreode_work_to_bytes(get(), buffer, capacity, size);
        });
    }

    std::size_t task_count() const {
        return detail::told<std::size_t>([&](std::size_t *n) { return chreode_work_task_count(get(), n); });
    }

    /// What a task is, counted from 0, as a JSON object: see chreode_work_task.
    std::string task(std::size_t task) const {
        return detail::text([&](char *buffer, std::size_t capacity, std::size_t *size) {
            return chreode_work_task(get(), task, buffer, capacity, size);
        });
    }

    /// The cells that a task needs, in the order in which snapshots hold them, by time; empty if it needs all. Snapshots of those cells
    /// alone, in that order, will do for run().
    std::vector<std::size_t> rows(std::size_t task) const {
        std::vector<std::uint64_t> rows(
            detail::told<std::size_t>([&](std::size_t *n) { return chreode_work_row_count(get(), task, n); }));
        if (!rows.empty()) {
            detail::check(chreode_work_rows(get(), task, rows.data(), rows.size()));
        }
        return {rows.begin(), rows.end()};
    }

    /// Does a task of a fit or a validation, by so many threads (0: all cores), which change nothing about its part. `progress` is as for
    /// fit(), and ends the call with an Error.
    template <class Function = detail::Silent>
    Part run(std::size_t task, const Snapshots &snapshots, std::size_t threads = 1, Function &&progress = Function()) const {
        return done(task, snapshots, nullptr, threads, progress);
    }

    /// The same of a simulation or an evaluation, which have a model.
    template <class Function = detail::Silent>
    Part run(std::size_t task, const Snapshots &snapshots, const Model &model, std::size_t threads = 1,
             Function &&progress = Function()) const {
        return done(task, snapshots, of(model), threads, progress);
    }

    /// Which task a part is of; an Error if it is not a whole part of this work.
    std::size_t check_part(Span<const std::uint8_t> part) const {
        return detail::told<std::size_t>(
            [&](std::size_t *task) { return chreode_work_check_part(get(), part.data(), part.size(), task); });
    }

    /// Puts the parts of a fit together, by so many threads, and trains what is left to be trained. `progress` and what is thrown are as of
    /// fit().
    template <class Function = detail::Silent>
    Model finish_fit(const Snapshots &snapshots, const std::vector<Part> &parts, std::size_t threads = 1,
                     Function &&progress = Function()) const {
        const Given given(parts);
        detail::Listener<std::remove_reference_t<Function>> listener{progress};
        chreode_model *handle = nullptr;
        const chreode_status status =
            chreode_work_finish_fit(get(), snapshots.get(), given.parts.data(), given.sizes.data(), parts.size(), threads,
                                    listener.c_function(), &listener, &handle);
        Model model(handle); // before anything that can throw
        return detail::model_of({std::move(model), status, chreode_last_error_message(), listener.thrown});
    }

    /// Puts the parts of a validation together.
    Validation finish_validate(const Snapshots &snapshots, const std::vector<Part> &parts) const {
        const Given given(parts);
        return Validation(detail::made<chreode_validation>([&](chreode_validation **out) {
            return chreode_work_finish_validate(get(), snapshots.get(), given.parts.data(), given.sizes.data(), parts.size(), out);
        }));
    }

    /// Puts the parts of a simulation together; for the error bars of an ensemble its members are simulated now, by so many threads.
    Trajectory finish_simulate(const Model &model, const Snapshots &snapshots, const std::vector<Part> &parts,
                               std::size_t threads = 1) const {
        const Given given(parts);
        return Trajectory(detail::made<chreode_trajectory>([&](chreode_trajectory **out) {
            return chreode_work_finish_simulate(get(), model.get(), snapshots.get(), given.parts.data(), given.sizes.data(),
                                                parts.size(), threads, out);
        }));
    }

    /// Puts the parts of an evaluation together.
    Evaluation finish_evaluate(const Model &model, const Snapshots &snapshots, const std::vector<Part> &parts) const {
        const Given given(parts);
        return Evaluation(detail::made<chreode_evaluation>([&](chreode_evaluation **out) {
            return chreode_work_finish_evaluate(get(), model.get(), snapshots.get(), given.parts.data(), given.sizes.data(),
                                                parts.size(), out);
        }));
    }

  private:
    /// Parts as C takes them.
    struct Given {
        std::vector<const std::uint8_t *> parts;
        std::vector<std::size_t> sizes;

        explicit Given(const std::vector<Part> &all) {
            for (const Part &part : all) {
                parts.push_back(part.data());
                sizes.push_back(part.size());
            }
        }
    };

    /// The handle for a call that takes NULL for no model: what was moved from is none.
    static const chreode_model *of(const Model &model) {
        if (!model) {
            detail::invalid("the model was moved from");
        }
        return model.get();
    }

    template <class Function>
    Part done(std::size_t task, const Snapshots &snapshots, const chreode_model *model, std::size_t threads,
              Function &progress) const {
        using Owned = detail::Handle<chreode_part, chreode_part_free>;
        const Owned part(detail::made<chreode_part>([&](chreode_part **out) {
            return detail::watched(progress, [&](chreode_progress_fn tell, void *data) {
                return chreode_work_run(get(), snapshots.get(), model, task, threads, tell, data, out);
            });
        }));
        return detail::sized<Part>([&](std::uint8_t *buffer, std::size_t capacity, std::size_t *size) {
            return chreode_part_to_bytes(part.get(), buffer, capacity, size);
        });
    }
};

/// Plans fit(): a task for each block of a coupling, or for each fit of an ensemble. `progress` is as for fit(), and ends the call with an
/// Error.
template <class Function = detail::Silent>
Work plan_fit(const Snapshots &snapshots, const Options &options = Options("fit"), Function &&progress = Function()) {
    const chreode_options *given = options.given();
    return Work(detail::made<chreode_work>([&](chreode_work **out) {
        return detail::watched(progress, [&](chreode_progress_fn tell, void *data) {
            return chreode_work_plan_fit(snapshots.get(), given, tell, data, out);
        });
    }));
}

/// Plans validate(), with `parts` and `growth` as there.
inline Work plan_validate(const Snapshots &snapshots, const Options &options = Options("validate"),
                          const std::vector<std::uint32_t> &parts = {}, const std::vector<double> &growth = {}) {
    const chreode_options *given = options.given();
    return Work(detail::made<chreode_work>([&](chreode_work **out) {
        return chreode_work_plan_validate(snapshots.get(), given, parts.empty() ? nullptr : parts.data(), parts.size(),
                                          growth.empty() ? nullptr : growth.data(), growth.size(), out);
    }));
}

/// Plans Model::simulate() of the cells at the first time of `snapshots`: a task for about so many `founders` each, or one where all
/// particles depend on each other.
inline Work plan_simulate(const Model &model, const Snapshots &snapshots, Span<const double> times,
                          const Options &options = Options("simulate"), std::size_t founders = 4096) {
    const chreode_options *given = options.given();
    return Work(detail::made<chreode_work>([&](chreode_work **out) {
        return chreode_work_plan_simulate(model.get(), snapshots.get(), times.data(), times.size(), given, founders, out);
    }));
}

/// Plans Model::evaluate(): a task for each run, and one for the action.
inline Work plan_evaluate(const Model &model, const Snapshots &snapshots, const Options &options = Options("evaluate")) {
    const chreode_options *given = options.given();
    return Work(detail::made<chreode_work>([&](chreode_work **out) {
        return chreode_work_plan_evaluate(model.get(), snapshots.get(), given, out);
    }));
}

/// The version of the library that is loaded.
inline std::string version() { return chreode_version(); }

/// What the library can do, as a JSON object: see chreode_capabilities.
inline std::string capabilities() {
    return detail::text([](char *buffer, std::size_t capacity, std::size_t *size) {
        return chreode_capabilities(buffer, capacity, size);
    });
}

} // namespace chreode

#endif // CHREODE_HPP
