// refused: rankpool: a container whose comparison or hash is a function pointer or has members
#include <rankpool/rankpool.hpp>

bool shorter(const std::string& a, const std::string& b) { return a.size() < b.size(); }
struct Shorter {
  bool operator()(const std::string& a, const std::string& b) const { return shorter(a, b); }
};
#ifdef REFUSED
using Words = std::map<std::string, int, bool (*)(const std::string&, const std::string&)>;
#else
using Words = std::map<std::string, int, Shorter>;
#endif
void use(rankpool::ProcessPoolExecutor& executor, const Words& words) {
  executor.submit([](const Words& w) { return w.size(); }, words);
}
