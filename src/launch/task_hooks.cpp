#include "launch/task_hooks.hpp"

#include "base/process_role.hpp"
#include "client/shared_link.hpp"
#include "engine/stop_signals.hpp"
#include "group/member.hpp"
#include "group/nursery.hpp"
#include "launch/batch_signals.hpp"
#include "launch/thread_libraries.hpp"

#include <rankpool/callable.hpp>
#include <rankpool/detail/code_ref.hpp>
#include <rankpool/detail/exception_codec.hpp>
#include <rankpool/errors.hpp>
#include <rankpool/run.hpp>

#include <dlfcn.h>
#include <unistd.h>
#include <cstring>
#include <string>
#include <utility>

namespace rankpool::inline v0_2 {
namespace {

const channel::RankPage* g_page = nullptr;
WorkerInfo g_worker;

/// "worker 5 (rank 3 on n2, pid 4711)"
std::string place() {
  return "worker " + std::to_string(g_worker.id) + " (rank " + std::to_string(g_worker.rank) + " on " + g_worker.host +
         ", pid " + std::to_string(g_worker.pid) + ")";
}

}  // namespace

const WorkerInfo& this_worker() {
  if (!in_worker()) throw Error("rankpool::this_worker() is for tasks: this process is no worker");
  return g_worker;
}

bool stop_requested() noexcept {
  if (in_worker()) return g_page->stop_requested.load(std::memory_order_relaxed) != 0;
  engine::stop_signals::watch();
  return engine::stop_signals::requested();
}

}  // namespace rankpool::inline v0_2

namespace rankpool::launch {
namespace {

void note_identity(wire::Identity identity) {
  g_worker.id = static_cast<int>(identity.worker);
  g_worker.rank = identity.rank;
  g_worker.host = std::move(identity.host);
}

}  // namespace

void become_worker(const channel::RankPage& page) {
  base::set_process_role(base::ProcessRole::worker);
  g_page = &page;
  shield_from_batch_system();
  g_worker.pid = ::getpid();
}

RoleInRank::RoleInRank(const channel::RankPage& page, worker::Extent extent) : extent_(extent) {
  g_page = &page;
  g_worker.pid = ::getpid();
  if (extent_ == worker::Extent::process) {
    client::put_objects_aside();
    base::set_process_role(base::ProcessRole::worker);
  } else {
    base::set_thread_role(base::ProcessRole::worker);
  }
}

RoleInRank::~RoleInRank() {
  if (extent_ == worker::Extent::process) {
    base::set_process_role(base::ProcessRole::program);
    client::take_objects_back();
  } else {
    base::set_thread_role(base::ProcessRole::program);
  }
  g_page = nullptr;
}

const worker::WorkerHooks& hooks_in_rank() {
  static const worker::WorkerHooks hooks = [] {
    worker::WorkerHooks own = task_hooks();
    own.set_identity = note_identity;
    return own;
  }();
  return hooks;
}

const worker::WorkerHooks& task_hooks() {
  static const worker::WorkerHooks hooks = [] {
    worker::WorkerHooks own;
    own.set_identity = [](wire::Identity identity) {
      const auto threads = static_cast<int>(identity.threads);
      note_identity(std::move(identity));
      limit_threads(threads);
    };
    own.run_initializer = [](std::span<const std::byte> encoded) {
      const auto initializer = detail::decode_or_explain<Function<void()>>(encoded, "the initializer");
      initializer();
    };
    own.resolve = [](std::span<const std::byte> payload, std::span<const std::byte>& head) -> detail::Invoker {
      detail::CodeRef ref;
      if (payload.size() < sizeof ref) throw SerializationError("a chunk without a task");
      std::memcpy(&ref, payload.data(), sizeof ref);
      head = payload.subspan(sizeof ref);
      return reinterpret_cast<detail::Invoker>(const_cast<void*>(detail::resolve(ref)));
    };
    own.encode_current_exception = [](const std::string& task) {
      return detail::encode_current_exception(task.empty() ? place() : place() + " in " + task);
    };
    own.forget_shared = client::forget_shared;
    own.serve_group = group::serve_group;
    own.join_group = group::join_group;
    own.leave_group = group::leave_group;
    return own;
  }();
  return hooks;
}

}  // namespace rankpool::launch
