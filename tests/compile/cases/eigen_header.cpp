// refused: rankpool: matrices and other values of Eigen travel with #include <rankpool/eigen.hpp>
#include <Eigen/Dense>
#include <rankpool/rankpool.hpp>
#ifndef REFUSED
#include <rankpool/eigen.hpp>
#endif

double trace(const std::vector<Eigen::MatrixXd>& all) { return all[0].trace(); }
void use(rankpool::ProcessPoolExecutor& executor) { executor.submit(trace, std::vector<Eigen::MatrixXd>{}); }
