#pragma once

// Eigen's matrices, arrays, vectors, quaternions and transforms as arguments and results. What has a fixed size travels
// as its bytes; what is sized at run time brings its size. Expressions, `Map`, `Ref` and blocks refer to other objects
// and are refused: evaluate them. Works with Boost's own archives too.

#include <rankpool/detail/travel.hpp>
#include <rankpool/errors.hpp>

#include <boost/serialization/array_wrapper.hpp>
#include <boost/serialization/split_free.hpp>

#include <Eigen/Core>
#include <Eigen/Geometry>

#include <cstdint>

namespace rankpool::inline v0_2::detail {

template <class S, int R, int C, int O, int MaxR, int MaxC>
inline constexpr bool known_bytes<Eigen::Matrix<S, R, C, O, MaxR, MaxC>> =
    R != Eigen::Dynamic&& C != Eigen::Dynamic&& plain_bytes<S>;
template <class S, int R, int C, int O, int MaxR, int MaxC>
inline constexpr bool known_bytes<Eigen::Array<S, R, C, O, MaxR, MaxC>> =
    R != Eigen::Dynamic&& C != Eigen::Dynamic&& plain_bytes<S>;
template <class S, int O>
inline constexpr bool known_bytes<Eigen::Quaternion<S, O>> = plain_bytes<S>;
template <class S, int D, int M, int O>
inline constexpr bool known_bytes<Eigen::Transform<S, D, M, O>> = D != Eigen::Dynamic&& plain_bytes<S>;
template <class S>
inline constexpr bool known_bytes<Eigen::AngleAxis<S>> = plain_bytes<S>;
template <class S>
inline constexpr bool known_bytes<Eigen::Rotation2D<S>> = plain_bytes<S>;
template <class S, int D>
inline constexpr bool known_bytes<Eigen::Translation<S, D>> = D != Eigen::Dynamic&& plain_bytes<S>;
template <class S, int D>
inline constexpr bool known_bytes<Eigen::AlignedBox<S, D>> = D != Eigen::Dynamic&& plain_bytes<S>;

/// Of matrices and arrays: the sizes, then all coefficients as they stand.
template <class Archive, class Dense>
void serialize_dense(Archive& archive, Dense& dense) {
  auto rows = static_cast<std::int64_t>(dense.rows());
  auto columns = static_cast<std::int64_t>(dense.cols());
  archive& rows& columns;
  if constexpr (Archive::is_loading::value) {
    const auto fits = [](std::int64_t size, int fixed, int most) {
      return size >= 0 && (fixed == Eigen::Dynamic || size == fixed) && (most == Eigen::Dynamic || size <= most);
    };
    std::int64_t count = 0;
    bool good = fits(rows, Dense::RowsAtCompileTime, Dense::MaxRowsAtCompileTime) &&
                fits(columns, Dense::ColsAtCompileTime, Dense::MaxColsAtCompileTime) &&
                !__builtin_mul_overflow(rows, columns, &count);
    if constexpr (requires { archive.left(); }) {
      good = good && static_cast<std::uint64_t>(count) <= archive.left();  // a coefficient takes a byte at least
      if constexpr (plain_bytes<typename Dense::Scalar>) {
        good = good && static_cast<std::uint64_t>(count) <= archive.left() / sizeof(typename Dense::Scalar);
      }
    }
    if (!good) throw SerializationError("an encoded matrix of a size that cannot be");
    dense.resize(rows, columns);
  }
  archive& boost::serialization::make_array(dense.data(), static_cast<std::size_t>(dense.size()));
}

}  // namespace rankpool::inline v0_2::detail

namespace boost::serialization {

template <class Archive, class S, int R, int C, int O, int MaxR, int MaxC>
void serialize(Archive& archive, Eigen::Matrix<S, R, C, O, MaxR, MaxC>& matrix, const unsigned) {
  rankpool::detail::serialize_dense(archive, matrix);
}
template <class Archive, class S, int R, int C, int O, int MaxR, int MaxC>
void serialize(Archive& archive, Eigen::Array<S, R, C, O, MaxR, MaxC>& array, const unsigned) {
  rankpool::detail::serialize_dense(archive, array);
}
template <class Archive, class S, int O>
void serialize(Archive& archive, Eigen::Quaternion<S, O>& quaternion, const unsigned) {
  archive& quaternion.coeffs();
}
template <class Archive, class S, int D, int M, int O>
void serialize(Archive& archive, Eigen::Transform<S, D, M, O>& transform, const unsigned) {
  archive& transform.matrix();
}
template <class Archive, class S, int D>
void serialize(Archive& archive, Eigen::AlignedBox<S, D>& box, const unsigned) {
  archive& box.min() & box.max();
}

}  // namespace boost::serialization
