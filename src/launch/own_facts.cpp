#include "launch/own_facts.hpp"

#include "base/cores.hpp"

#include <rankpool/detail/code_ref.hpp>

#include <unistd.h>
#include <filesystem>

namespace rankpool::launch {

engine::OwnFacts own_facts(pid_t keeper) {
  engine::OwnFacts own;
  own.build = detail::build_identity();
  const base::CoreClaim claim = base::own_cores();
  own.cores = claim.cores;
  own.core_limit = claim.limit;
  own.facts.rank = Rank{0};
  own.facts.host = base::host_name();
  own.facts.pid = ::getpid();
  own.facts.keeper_pid = keeper;
  own.facts.workers = base::share_cores({claim}).front();
  return own;
}

std::string program_path() {
  std::error_code error;
  const auto path = std::filesystem::read_symlink("/proc/self/exe", error);
  return error ? std::string("?") : path.string();
}

}  // namespace rankpool::launch
