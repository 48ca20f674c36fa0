// How many commands rankpool-parallel hands out when they are nothing: its own driver on rank 0, with joblog or
// without, and workers that start no process. Arguments are rankpool-parallel's: `seq 100000 | bench_commands -j2 :`.
#include "parallel/driver.hpp"
#include "parallel/run_command.hpp"

#include "measure.hpp"

#include <fstream>
#include <string>
#include <variant>
#include <vector>

namespace rankpool::parallel {

void prepare_worker(CommandSettings, Queue<Piece>, Value<double>) {}

CommandResult run_command(const Command&) { return {}; }

}  // namespace rankpool::parallel

int main(int argc, char** argv) {
  using namespace rankpool::parallel;
  const auto parsed = parse_options(std::vector<std::string>(argv + 1, argv + argc));
  const auto* const options = std::get_if<Options>(&parsed);
  if (options == nullptr) return 2;
  return rankpool::run(argc, argv, [&]() -> int {
    auto input = make_input(*options);
    Template::Rules rules;
    rules.names = input->names();
    Driver driver(*options, std::move(input), std::get<Template>(Template::parse(options->command, rules)));
    const auto begin = bench::Clock::now();
    const int status = driver.run();
    bench::Report report;
    report.add("seconds", bench::seconds_since(begin));
    report.print();
    return status;
  });
}
