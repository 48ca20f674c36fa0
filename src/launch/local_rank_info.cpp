#include "launch/local_rank_info.hpp"

#include "base/cores.hpp"
#include "base/node_memory.hpp"

#include <rankpool/detail/code_ref.hpp>

#include <unistd.h>
#include <filesystem>

namespace rankpool::launch {

engine::LocalRankInfo local_rank_info(pid_t keeper) {
  engine::LocalRankInfo own;
  own.build = detail::build_identity();
  own.allowance = base::own_cores();
  own.facts.rank = Rank{0};
  own.facts.host = base::host_name();
  own.facts.pid = ::getpid();
  own.facts.keeper_pid = keeper;
  own.facts.workers = base::share_cores({own.allowance}).front();
  own.facts.cores_of_node = base::cores_together({own.allowance});
  own.facts.memory_of_node = base::memory_of_job();
  return own;
}

wire::Hello hello_of(const engine::LocalRankInfo& own, const base::Settings& settings) {
  wire::Hello hello;
  hello.build = own.build;
  hello.program = program_path();
  hello.host = own.facts.host;
  hello.pid = own.facts.pid;
  hello.keeper_pid = own.facts.keeper_pid;
  hello.cores = own.allowance.cores;
  hello.core_limit = own.allowance.limit;
  hello.slurm_cores = own.allowance.slurm_cores;
  hello.workers = settings.workers.value_or(0);
  hello.memory = own.facts.memory_of_node;
  return hello;
}

std::string program_path() {
  std::error_code error;
  const auto path = std::filesystem::read_symlink("/proc/self/exe", error);
  return error ? std::string("?") : path.string();
}

}  // namespace rankpool::launch
