// A program that submits and maps over two types.
#include <rankpool/rankpool.hpp>

#include <iostream>
#include <string>
#include <vector>

double square(double x) { return x * x; }
std::string greet(const std::string& name) { return "hello " + name; }

int main(int argc, char** argv) {
  return rankpool::run(argc, argv, [] {
    rankpool::ProcessPoolExecutor executor;
    std::cout << executor.submit(square, 3.0).result() << '\n'
              << executor.submit(greet, std::string("you")).result() << '\n';
    const std::vector<double> numbers{1, 2, 3};
    for (const double value : executor.map(square, numbers)) std::cout << value << '\n';
    const std::vector<std::string> names{"a", "b"};
    for (const std::string& value : executor.map(greet, names)) std::cout << value << '\n';
    return 0;
  });
}
