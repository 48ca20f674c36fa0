#include <rankpool/eigen.hpp>

#include <rankpool/detail/codec.hpp>

#include "unit/client/allocations.hpp"
#include "unit/damage.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace rankpool::inline v0_2::detail {
namespace {

static_assert(plain_bytes<Eigen::Vector3d> && plain_bytes<Eigen::Matrix4f> && plain_bytes<Eigen::Isometry3d>);
static_assert(plain_bytes<Eigen::Quaterniond> && plain_bytes<Eigen::AngleAxisd> &&
              direct_element<std::vector<Eigen::Vector2d>>);
static_assert(VerdictOnMade<Eigen::MatrixXd>::way == Way::archive &&
              VerdictOnMade<Eigen::ArrayXXi>::way == Way::archive);
static_assert(VerdictOnMade<Eigen::Map<Eigen::VectorXd>>::why == Why::eigen_expression);
static_assert(VerdictOnMade<Eigen::Ref<Eigen::VectorXd>>::why == Why::eigen_expression);

TEST(Eigen, damaged_matrices_are_refused) {
  const std::vector<Eigen::MatrixXd> matrices{Eigen::MatrixXd::Random(3, 2), Eigen::MatrixXd(0, 5)};
  Bytes whole;
  encode(whole, matrices);
  EXPECT_EQ(decode<std::vector<Eigen::MatrixXd>>(whole), matrices);
  const auto look = [](const Bytes& damaged) {
    forget_allocations();
    try {
      (void)decode_or_explain<std::vector<Eigen::MatrixXd>>(damaged, "matrices");
    } catch (const SerializationError&) {
    }
    EXPECT_LE(largest_allocation(), 1024 * (damaged.size() + 64));
  };
  test::for_each_truncation(whole, look);
  test::for_each_length_lie(whole, look);
  test::for_each_mutation(whole, 1, 5'000, look);
}

}  // namespace
}  // namespace rankpool::inline v0_2::detail
