#include "engine/loss_book.hpp"

#include "base/log.hpp"
#include "base/wait_status.hpp"

#include <rankpool/detail/exception_codec.hpp>
#include <rankpool/detail/what_of.hpp>

#include <exception>
#include <memory>
#include <utility>

namespace rankpool::engine {
namespace {

/// Far more than one round of the loop can bring; older ones have been told.
constexpr std::size_t kKept = 4096;

Loss loss_of(WorkerId id, const Worker& worker) {
  Loss loss;
  loss.worker = static_cast<int>(raw(id));
  loss.rank = raw(worker.rank);
  loss.host = worker.at->facts.host;
  loss.pid = worker.pid;
  return loss;
}

std::string number(int number) { return std::to_string(number); }

/// "worker 3 (rank 1 on node7, pid 4711)"
std::string name_of(const Loss& loss) {
  return "worker " + number(loss.worker) + " (rank " + number(loss.rank) + " on " + loss.host + ", pid " +
         number(loss.pid) + ")";
}

/// ", rank 2 of 4 of its task,"
std::string place_of(const GroupPlace& place) {
  return ", rank " + std::to_string(place.rank) + " of " + std::to_string(place.of) + " of its task,";
}

/// How the process ended, as facts and in words.
std::string tell_end(Loss& loss, int wait_status) {
  auto how = base::how_it_ended(wait_status);
  loss.exit_code = how.exit_code;
  loss.signal = std::move(how.signal);
  return std::move(how.text);
}

std::string text_of(std::span<const std::byte> encoded) {
  const std::exception_ptr error = detail::decode_exception(encoded);
  try {
    std::rethrow_exception(error);
  } catch (const std::exception& e) {
    return detail::what_of(e);
  } catch (...) {
    return "an exception that has no text";
  }
}

}  // namespace

schedule::LossId LossBook::worker_ended(WorkerId id, const Worker& worker, const host::WorkerEnd& end,
                                        std::optional<GroupPlace> place) {
  Loss loss = loss_of(id, worker);
  const std::string text = tell_end(loss, end.wait_status);
  loss.text = name_of(loss) + (place ? place_of(*place) : "") + " " + text;
  base::log_debug(loss.text);
  return note(std::move(loss));
}

schedule::LossId LossBook::aborted(WorkerId id, const Worker& worker, int status, GroupPlace place) {
  Loss loss = loss_of(id, worker);
  loss.exit_code = status;
  loss.text = name_of(loss) + place_of(place) + " called MPI_Abort with " + number(status);
  return note(std::move(loss));
}

schedule::LossId LossBook::nursery_ended(WorkerId id, const Worker& worker, const host::WorkerEnd& end) {
  Loss loss = loss_of(id, worker);
  const std::string how = tell_end(loss, end.wait_status);
  loss.text = "the PMIx server of a task of several ranks (rank " + number(loss.rank) + " on " + loss.host + ", pid " +
              number(loss.pid) + ") " + how;
  return note(std::move(loss));
}

schedule::LossId LossBook::no_groups_on(WorkerId id, const Worker& worker, const std::string& why) {
  Loss loss = loss_of(id, worker);
  loss.text = "on " + loss.host + ": " + why;
  return note(std::move(loss));
}

schedule::LossId LossBook::group_did_not_start(std::chrono::seconds within) {
  Loss loss;
  loss.text = "MPI_Init of a task of several ranks did not end within " + std::to_string(within.count()) + " s";
  return note(std::move(loss));
}

schedule::LossId LossBook::failed_to_start(WorkerId id, const Worker& worker, const std::string& why) {
  Loss loss = loss_of(id, worker);
  loss.text = "worker " + number(loss.worker) + " (rank " + number(loss.rank) + " on " + loss.host +
              ") could not be started: " + why;
  return note(std::move(loss));
}

schedule::LossId LossBook::initializer_failed(WorkerId id, const Worker& worker, std::span<const std::byte> error) {
  Loss loss = loss_of(id, worker);
  loss.text = "the initializer failed in " + name_of(loss) + ": " + text_of(error);
  return note(std::move(loss));
}

schedule::LossId LossBook::rank_lost(const RankFacts& rank, const RankEnd& end) {
  Loss loss;
  loss.rank = raw(rank.rank);
  loss.host = rank.host;
  loss.pid = rank.pid;
  std::string text = end.text;
  if (end.wait_status) text = tell_end(loss, *end.wait_status);
  loss.text = "rank " + number(loss.rank) + " (on " + loss.host + ", pid " + number(loss.pid) + ") lost: " + text;
  base::log_info(loss.text);
  return note(std::move(loss));
}

schedule::LossId LossBook::note(Loss loss) {
  losses_.push_back(std::move(loss));
  if (losses_.size() > kKept) losses_.pop_front();
  return schedule::LossId{++last_};
}

const Loss* LossBook::find(schedule::LossId id) const {
  const std::uint32_t age = last_ - raw(id);
  if (id == schedule::LossId::none || age >= losses_.size()) return nullptr;
  return &losses_[losses_.size() - 1 - age];
}

detail::FailurePtr LossBook::failure(schedule::Reason reason, schedule::LossId id, std::string_view name) const {
  const std::string task = name.empty() ? std::string("task") : "task \"" + std::string(name) + "\"";
  auto failure = std::make_shared<detail::Failure>();
  const Loss* const loss = find(id);
  switch (reason) {
    case schedule::Reason::worker_lost:
      failure->kind = detail::Failure::Kind::terminated_worker;
      failure->text = (loss != nullptr ? loss->text : std::string("the worker was lost")) + " while it ran " +
                      (name.empty() ? "this " : "the ") + task;
      break;
    case schedule::Reason::pool_broken:
      failure->kind = detail::Failure::Kind::broken;
      failure->text = "the process pool is broken";
      break;
    case schedule::Reason::forced_stop:
      failure->kind = detail::Failure::Kind::broken;
      failure->text = "the " + task + " was running when its workers were forcefully shut down";
      break;
    case schedule::Reason::task_timeout:
      failure->kind = detail::Failure::Kind::task_timeout;
      failure->text = "the " + task + " ran past its task_timeout; its worker was killed";
      break;
    case schedule::Reason::cannot_start:
      failure->kind = detail::Failure::Kind::error;
      failure->text =
          "a task of several ranks cannot start: " + (loss != nullptr ? loss->text : std::string("unknown"));
      return failure;
    case schedule::Reason::no_memory:
      failure->kind = detail::Failure::Kind::error;
      failure->text = "the " + task + " asks for more memory than any node has on which its executor has workers";
      return failure;
    case schedule::Reason::no_places:
      failure->kind = detail::Failure::Kind::broken;
      failure->text = "the task asks for more ranks than there are worker processes left";
      break;
  }
  if (loss != nullptr) failure->causes.push_back(*loss);
  return failure;
}

detail::FailurePtr LossBook::breakage(schedule::Breakage why, schedule::LossId id) const {
  auto failure = std::make_shared<detail::Failure>();
  failure->kind = detail::Failure::Kind::broken;
  const Loss* const loss = find(id);
  failure->text = "the process pool is broken: ";
  if (why == schedule::Breakage::no_workers_start) failure->text += "its worker processes could not be started: ";
  failure->text += loss != nullptr ? loss->text : "a worker process was lost";
  if (loss != nullptr && why != schedule::Breakage::initializer_failed) failure->causes.push_back(*loss);
  return failure;
}

}  // namespace rankpool::engine
