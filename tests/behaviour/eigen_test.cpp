#include "support.hpp"

#include <rankpool/eigen.hpp>

#include <map>

namespace {

class EigenValues : public Behaviour {};

struct Fit {
  std::string name;
  Eigen::VectorXd weights;
  Eigen::Matrix3d rotation;
};

TEST_F(EigenValues, matrices_and_vectors_of_fixed_and_dynamic_size_arrive_as_they_were) {
  ProcessPoolExecutor executor(2);
  const Eigen::MatrixXd matrix = Eigen::MatrixXd::Random(5, 3);
  EXPECT_EQ(executor.submit([](Eigen::MatrixXd m) { return m; }, matrix).result(), matrix);
  EXPECT_EQ(executor.submit([](const Eigen::MatrixXd& m) { return (m * 2).eval(); }, matrix).result(), matrix * 2);
  const Eigen::Vector3f vector(1, 2, 3);
  EXPECT_EQ(executor.submit([](Eigen::Vector3f v) { return v; }, vector).result(), vector);
  EXPECT_EQ(executor.submit([](const Eigen::MatrixXd& m) { return m.sum(); }, Eigen::MatrixXd(0, 4)).result(), 0);
  int next = 0;
  for (const Eigen::VectorXi& each :
       executor.map([](int n) -> Eigen::VectorXi { return Eigen::VectorXi::Constant(n, n); }, std::vector{1, 2, 3})) {
    EXPECT_EQ(each.size(), ++next);
  }
}

TEST_F(EigenValues, they_travel_in_containers_and_structs) {
  ProcessPoolExecutor executor(2);
  const Fit fit{"fit", Eigen::VectorXd::LinSpaced(4, 0, 1), Eigen::Matrix3d::Identity()};
  const Fit back = executor.submit([](Fit f) { return f; }, fit).result();
  EXPECT_EQ(back.name, fit.name);
  EXPECT_EQ(back.weights, fit.weights);
  EXPECT_EQ(back.rotation, fit.rotation);
  const std::map<std::string, std::vector<Eigen::Vector4d>> all{
      {"a", {Eigen::Vector4d::Ones(), Eigen::Vector4d::Zero()}}};
  EXPECT_EQ(executor.submit([](const decltype(all)& m) { return m.at("a")[0].sum(); }, all).result(), 4);
}

TEST_F(EigenValues, quaternions_and_transforms_arrive_as_they_were) {
  ProcessPoolExecutor executor(1);
  const Eigen::Quaterniond turn(Eigen::AngleAxisd(0.5, Eigen::Vector3d::UnitX()));
  EXPECT_EQ(executor.submit([](Eigen::Quaterniond q) { return q; }, turn).result().coeffs(), turn.coeffs());
  Eigen::Isometry3d place = Eigen::Isometry3d::Identity();
  place.translate(Eigen::Vector3d(1, 2, 3));
  const Eigen::Vector3d moved =
      executor
          .submit([](const Eigen::Isometry3d& p, const Eigen::Vector3d& v) -> Eigen::Vector3d { return p * v; }, place,
                  Eigen::Vector3d(1, 1, 1))
          .result();
  EXPECT_EQ(moved, Eigen::Vector3d(2, 3, 4));
}

}  // namespace
