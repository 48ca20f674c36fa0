#include "launch/own_facts.hpp"

#include "base/cores.hpp"

#include <rankpool/detail/code_ref.hpp>

#include <unistd.h>
#include <filesystem>

namespace rankpool::launch {

engine::OwnFacts own_facts(pid_t keeper) {
  engine::OwnFacts own;
  own.build = detail::build_identity();
  own.claim = base::own_cores();
  own.facts.rank = Rank{0};
  own.facts.host = base::host_name();
  own.facts.pid = ::getpid();
  own.facts.keeper_pid = keeper;
  own.facts.workers = base::share_cores({own.claim}).front();
  own.facts.cores_of_node = base::cores_together({own.claim});
  return own;
}

wire::Hello hello_of(const engine::OwnFacts& own, const base::Settings& settings) {
  wire::Hello hello;
  hello.build = own.build;
  hello.program = program_path();
  hello.host = own.facts.host;
  hello.pid = own.facts.pid;
  hello.keeper_pid = own.facts.keeper_pid;
  hello.cores = own.claim.cores;
  hello.core_limit = own.claim.limit;
  hello.core_grant = own.claim.granted;
  hello.workers = settings.workers.value_or(0);
  return hello;
}

std::string program_path() {
  std::error_code error;
  const auto path = std::filesystem::read_symlink("/proc/self/exe", error);
  return error ? std::string("?") : path.string();
}

}  // namespace rankpool::launch
