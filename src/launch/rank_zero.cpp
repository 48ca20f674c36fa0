#include "launch/rank_zero.hpp"

#include "base/limits.hpp"
#include "base/log.hpp"
#include "client/callbacks.hpp"
#include "client/job.hpp"
#include "engine/stop_signals.hpp"

#include <rankpool/detail/exception_codec.hpp>
#include <rankpool/detail/what_of.hpp>
#include <rankpool/errors.hpp>

#include <cxxabi.h>
#include <unistd.h>
#include <cstdlib>
#include <exception>
#include <mutex>
#include <string>
#include <typeinfo>

namespace rankpool::launch {
namespace {

/// Says what left `main`, with the place in a worker where it was thrown, if it was.
void report_uncaught(const std::exception_ptr& error) noexcept {
  try {
    std::string text = "an exception has left main: ";
    try {
      std::rethrow_exception(error);
    } catch (const std::exception& e) {
      text += detail::exception_type_name(typeid(e)) + ": " + detail::what_of(e);
    } catch (...) {
      text += "not a std::exception";
    }
    const std::string trace = remote_traceback(error);
    if (!trace.empty()) text += "\n  thrown in " + trace;
    const std::string others = detail::failed_beside(error);
    if (!others.empty()) text += "\n  " + others;
    base::log_error(text);
  } catch (...) {
    base::log_error("an exception has left main");
  }
}

/// Brings the job to its end, once, whoever comes first: `run` or std::exit.
class Ending {
 public:
  static void arm(const std::shared_ptr<client::Job>& job) {
    static std::once_flag registered;
    instance().job_ = job;
    instance().owner_ = ::getpid();
    std::call_once(registered, [] { std::atexit([] { instance().end(); }); });
  }
  static Ending& instance() {
    static Ending* const ending = new Ending;  // outlives every static object: it is used while they are destroyed
    return *ending;
  }
  void end() noexcept {
    // A process that the user's program forked is not rank 0.
    if (::getpid() != owner_) return;
    const std::lock_guard lock(mutex_);
    if (!job_) return;
    try {
      job_->close_all_pools();
      client::stop_callbacks();
      engine::stop_signals::detach();
      job_->engine().end();
      job_->watching().end();
    } catch (const std::exception& e) {
      base::log_error(std::string("the job could not be ended in order: ") + e.what());
    }
    client::Job::set_current(nullptr);
    job_.reset();
  }

 private:
  std::recursive_mutex mutex_;
  std::shared_ptr<client::Job> job_;
  pid_t owner_ = 0;
};

}  // namespace

int cannot_start(const std::exception& why) noexcept {
  try {
    base::log_error("the job cannot start: " + base::explain(why));
  } catch (...) {
    base::log_error("the job cannot start: there is no memory");
  }
  return 1;
}

int serve_as_rank_zero(engine::EngineOptions options, const std::function<int(int, char**)>& main, int argc,
                       char** argv) {
  const bool launched = options.connect != nullptr;
  std::shared_ptr<client::Job> job;
  try {
    job = std::make_shared<client::Job>(std::move(options));
    job->engine().wait_assembled();
  } catch (const std::exception& e) {
    const int status = cannot_start(e);
    if (job) job->engine().end();
    return status;
  }
  client::Job::set_current(job);
  engine::stop_signals::attach(job->engine(), launched);
  Ending::arm(job);
  int status = 1;
  try {
    status = main(argc, argv);
  } catch (const abi::__forced_unwind&) {
    // pthread_exit: this thread ends, but not before the job. The process ends with its last thread.
    Ending::instance().end();
    throw;
  } catch (...) {
    report_uncaught(std::current_exception());
  }
  Ending::instance().end();
  return status;
}

}  // namespace rankpool::launch
