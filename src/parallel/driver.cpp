#include "parallel/driver.hpp"

#include "parallel/numbers.hpp"
#include "parallel/run_command.hpp"
#include "parallel/settings.hpp"
#include "parallel/shell_words.hpp"
#include "parallel/spool_file.hpp"
#include "parallel/time_limit.hpp"

#include <unistd.h>
#include <algorithm>
#include <csignal>
#include <cstdio>
#include <set>
#include <stdexcept>
#include <utility>

namespace rankpool::parallel {
namespace {

double now_since_1970() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

std::string joined(const Arguments& arguments) {
  std::string text;
  for (const auto& argument : arguments) text += (&argument == &arguments.front() ? "" : " ") + argument;
  return text;
}

int signal_number(const std::string& name) {
  for (int number = 1; number < NSIG; ++number) {
    const char* const abbreviation = ::sigabbrev_np(number);
    if (abbreviation != nullptr && name == std::string("SIG") + abbreviation) return number;
  }
  return SIGKILL;
}

/// A command whose worker or rank has been lost.
CommandResult lost(const BrokenProcessPool& error) {
  CommandResult result;
  result.end.signal = SIGKILL;
  if (!error.causes().empty()) {
    const Loss& loss = error.causes().back();
    result.end.host = loss.host;
    result.end.rank = std::max(loss.rank, 0);
    if (loss.exit_code) {
      result.end.exit_code = *loss.exit_code == 0 ? -1 : *loss.exit_code;
      result.end.signal = 0;
    } else if (!loss.signal.empty()) {
      result.end.signal = signal_number(loss.signal);
    }
  }
  return result;
}

}  // namespace

void say(const std::string& text) { std::fputs(("rankpool-parallel: " + text + "\n").c_str(), stderr); }

Driver::Driver(const Options& options, std::unique_ptr<Input> input, Template command)
    : options_(options),
      command_(std::move(command)),
      argument_names_(input->names()),
      items_(std::move(input), needs_total(options), [this] { events_.post(LookAgain{}); }),
      printer_(options, spool_folder(options.tmpdir), {STDOUT_FILENO, STDERR_FILENO}),
      tally_(options.halt) {}

Driver::~Driver() = default;

int Driver::run() {
  if (options_.dry_run) {
    dry_run();
    return 0;
  }
  const SignalWatch signals(events_);
  if (options_.resume != Resume::no) read_history();
  if (!options_.joblog.empty()) {
    joblog_ = std::make_unique<Joblog>(
        options_.joblog, options_.resume == Resume::no ? Joblog::Open::anew : Joblog::Open::go_on, joblog_size_);
  }
  if (options_.stop_before) stop_at_ = job_end_time() - *options_.stop_before;
  if (options_.give_back_idle_nodes) idle_nodes_.emplace(spool_folder(options_.tmpdir));
  open_executor();
  if (!options_.results.empty()) {
    results_ = make_results(options_.results, argument_names_, several_ranks_, options_.resume != Resume::no);
  }
  open_progress();
  try {
    while (go_on()) {
      auto event = events_.poll();
      if (!event) {
        printer_.flush();
        if (printer_.reader_gone()) break;
        const auto until = wake_up_at();
        turn_.leave();
        event = events_.wait(until);
        turn_.take();
        if (failure_) std::rethrow_exception(failure_);
      }
      if (event) handle(std::move(*event));
    }
    printer_.flush();
  } catch (...) {
    stop_now();
    throw;
  }
  if (phase_ == Phase::stopping || printer_.reader_gone()) {
    stop_now();
  } else {
    executor_->shutdown();
  }
  if (joblog_) joblog_->sync();
  progress_.reset();
  if (printer_.reader_gone()) return 128 + SIGPIPE;
  if (stop_signal_ != 0) return 128 + stop_signal_;
  return tally_.exit_status();
}

bool Driver::go_on() {
  start_what_can_be();
  if (phase_ == Phase::finishing) finish_running();
  if (progress_ && options_.progress == Options::Progress::progress) {
    progress_->set_note(std::to_string(running_.size()) + " running");
  }
  if (running_.empty() && (phase_ != Phase::running || (input_ended_ && again_.empty()))) return false;
  if (phase_ == Phase::stopping) return false;
  give_back_idle_nodes();
  return true;
}

void Driver::command_done(std::uint64_t seq, Future<CommandResult> future) {
  // Where time has its part, the main thread has to reckon anew when to wake up.
  const bool timed = options_.delay > 0 || options_.give_back_idle_nodes;
  if (timed || !turn_.try_take()) return events_.post(CommandDone{seq, std::move(future)});
  bool more = false;
  try {
    handle_result(seq, std::move(future));
    more = go_on();
    printer_.flush();
    more = more && !printer_.reader_gone();
  } catch (...) {
    failure_ = std::current_exception();
  }
  turn_.leave();
  if (!more) events_.post(LookAgain{});
}

void Driver::dry_run() {
  std::string shown;
  constexpr std::size_t kShownAtOnce = 1 << 16;
  for (Item item;;) {
    const auto state = items_.take(item);
    if (state == ItemQueue::State::ended) break;
    if (state == ItemQueue::State::none_yet) {
      printer_.flush();
      (void)events_.wait(Clock::time_point::max());
      continue;
    }
    Job job;
    job.item = std::move(item);
    job.text = command_.render(job.item.arguments, job.item.seq, 1);
    shown += (options_.tag ? tag_of(job) + "\t" : "") + job.text + "\n";
    if (shown.size() < kShownAtOnce) continue;
    write_fully(STDOUT_FILENO, shown.data(), shown.size());
    shown.clear();
  }
  write_fully(STDOUT_FILENO, shown.data(), shown.size());
}

void Driver::read_history() {
  JoblogFile file(options_.joblog);
  while (const auto entry = file.next()) {
    if (options_.resume != Resume::retry_failed) history_.add(*entry);
  }
  joblog_size_ = file.whole_size();
}

int Driver::count_places() const {
  std::set<std::string> hosts;
  int places = 0;
  for (const auto& rank : ranks()) {
    if (!rank.alive) continue;
    hosts.insert(rank.host);
    places += rank.workers;
  }
  // Ranks hold so many workers as main() has told them; where several share a node the sum is rounded up.
  const bool number = options_.jobs.kind == Jobs::Kind::number || options_.jobs.kind == Jobs::Kind::unlimited;
  if (const auto jobs = jobs_on_each_node(options_); number && jobs) {
    places = std::min(places, *jobs * static_cast<int>(hosts.size()));
  }
  return std::max(places, 1);
}

void Driver::open_executor() {
  several_ranks_ = ranks().size() > 1;
  int places = count_places();
  if (options_.jobs.kind == Jobs::Kind::unlimited) {
    places = std::min(places, std::max(static_cast<int>(items_.wait_for(static_cast<std::size_t>(places))), 1));
  }
  slots_ = static_cast<std::size_t>(std::max(places, 1));
  pieces_ = std::make_unique<PieceReader>(events_);
  CommandSettings settings = settings_of(options_);
  if (settings.timeout_varies) time_limit_.emplace(0.0);
  ExecutorOptions executor;
  executor.max_workers = static_cast<int>(slots_);
  executor.initializer = partial(prepare_worker, settings, pieces_->queue(), time_limit_.value_or(Value<double>()));
  executor.on_worker_death = OnWorkerDeath::replace;
  executor_.emplace(executor);
}

void Driver::open_progress() {
  if (options_.progress == Options::Progress::none) return;
  progress_.emplace("commands", items_.total());
}

void Driver::start_what_can_be() {
  while (phase_ == Phase::running && running_.size() < slots_ + waiting_elsewhere()) {
    if (stop_at_ && now_since_1970() >= *stop_at_) {
      say("the end of the Slurm job is near (--stop-before): no new commands");
      stop_signal_ = SIGTERM;
      phase_ = Phase::finishing;
      return;
    }
    if (options_.delay > 0 && Clock::now() < next_start_) return;
    auto job = next_job();
    if (!job) return;
    start(std::move(*job));
  }
}

void Driver::handle(Event event) {
  if (auto* const done = std::get_if<CommandDone>(&event)) return handle_result(done->seq, std::move(done->future));
  if (const auto* const piece = std::get_if<Piece>(&event)) return handle_piece(*piece);
  if (const auto* const signal = std::get_if<StopSignal>(&event)) return handle_signal(*signal);
}

void Driver::handle_piece(const Piece& piece) {
  const auto job = running_.find(piece.seq);
  if (job == running_.end() || job->second.attempt != piece.attempt) return;
  if (piece.stream == 0) {
    job->second.rank = static_cast<int>(parse_number(piece.bytes).value_or(0));
    return;
  }
  printer_.printed(piece.seq, piece.stream, piece.bytes);
  auto& waiting = job->second.result;
  if (++job->second.pieces; waiting && waiting->pieces == job->second.pieces) ended(job, *std::exchange(waiting, {}));
}

void Driver::handle_result(std::uint64_t seq, Future<CommandResult> future) {
  const auto job = running_.find(seq);
  if (job == running_.end() || job->second.future != future) return;
  job->second.future = {};
  job->second.returned = true;
  try {
    CommandResult result = std::move(future).result();
    if (result.pieces > job->second.pieces) {
      job->second.result = std::move(result);
    } else {
      ended(job, std::move(result));
    }
  } catch (const TerminatedWorkerError& e) {
    say("command " + std::to_string(seq) + ": " + e.what());
    const bool whole_rank = !e.causes().empty() && e.causes().back().worker < 0;
    if (whole_rank) slots_ = std::min(slots_, static_cast<std::size_t>(count_places()));
    ended(job, lost(e));
  }
}

void Driver::handle_signal(const StopSignal& signal) {
  // A batch system signals every process, and rank 0's keeper passes on what it gets: one request comes from two
  // senders.
  constexpr std::chrono::seconds kSameRequest{2};
  const auto now = Clock::now();
  if (signal.number != SIGINT && signal.number == stop_signal_ && signal.sender != stopped_by_ &&
      now - stopped_at_ < kSameRequest)
    return;
  const bool at_once = signal.number == SIGINT || stop_signal_ != 0;
  if (stop_signal_ == 0) {
    stop_signal_ = signal.number;
    stopped_by_ = signal.sender;
    stopped_at_ = now;
  }
  if (at_once) {
    phase_ = Phase::stopping;
    return;
  }
  phase_ = Phase::finishing;
  say(std::string("SIG") + ::sigabbrev_np(signal.number) + " received: no new commands; waiting for " +
      std::to_string(running_.size()) + " to finish. Send it again to end them now.");
}

void Driver::ended(std::map<std::uint64_t, Job>::iterator job, CommandResult result) {
  Job own = std::move(job->second);
  running_.erase(job);
  free_slots_.push(own.slot);
  const std::uint64_t seq = own.item.seq;
  CommandEnd& end = result.end;
  if (!several_ranks_) end.host = ":";
  const bool failed = end.status() != 0;
  if (end.exit_code == -1 && end.signal != 0) say("this command was ended because it ran too long: " + own.text);
  if (failed && static_cast<int>(own.attempt) < options_.tries && phase_ == Phase::running) {
    own.failed_on.push_back(end.rank);
    if (progress_) progress_->retried();
    again_.push_back(std::move(own));
    return;
  }
  if (progress_) {
    failed ? progress_->failed() : progress_->advance();
    progress_->set_total(items_.total());
  }
  if (joblog_) joblog_->write(joblog_line(seq, end, own.item.block.size(), own.text));
  printer_.printed(seq, 1, result.out);
  printer_.printed(seq, 2, result.err);
  if (results_) {
    results_->write({seq, own.item.arguments, own.item.sources, own.text, end, own.item.block.size(),
                     printer_.held(seq, 1), printer_.held(seq, 2)});
  }
  printer_.finished(seq);
  if (time_limit_ && !failed) {
    runtimes_.add(end.runtime);
    constexpr std::size_t kFewest = 3;  // as GNU parallel, before it trusts a median
    if (runtimes_.count() >= kFewest) time_limit_->set(runtimes_.value() * options_.timeout->value / 100);
  }
  const auto before = tally_.halted();
  tally_.ended(end.status(), items_.total());
  if (options_.halt.when != Halt::When::never) say_halt(own.text, failed);
  if (before != tally_.halted() && phase_ == Phase::running) {
    phase_ = tally_.halted() == Halt::When::now ? Phase::stopping : Phase::finishing;
    if (phase_ == Phase::finishing && !running_.empty()) {
      say("starting no more commands; waiting for " + std::to_string(running_.size()) + " to finish");
    }
  }
}

void Driver::say_halt(const std::string& command, bool failed) {
  if (failed && options_.halt.what != Halt::What::success) say("this command failed:\n" + command);
  if (!failed && options_.halt.what != Halt::What::fail) say("this command succeeded:\n" + command);
}

void Driver::finish_running() {
  for (const auto& job : std::exchange(again_, {})) printer_.dropped(job.item.seq);
  for (auto job = running_.begin(); job != running_.end();) {
    const bool waits = !job->second.returned && job->second.future.cancel();
    if (waits) printer_.dropped(job->first);
    job = waits ? running_.erase(job) : std::next(job);
  }
}

void Driver::stop_now() {
  running_.clear();
  if (!executor_) return;
  executor_->terminate_workers();
  executor_->shutdown();
}

Driver::Clock::time_point Driver::wake_up_at() const {
  auto until = Clock::time_point::max();
  if (options_.delay > 0 && running_.size() < slots_ && phase_ == Phase::running)
    until = std::max(next_start_, Clock::now());
  if (idle_nodes_ && idle_nodes_->next() > Clock::now()) until = std::min(until, idle_nodes_->next());
  return until;
}

std::string Driver::tag_of(const Job& job) const {
  if (options_.tag_text.empty()) return joined(job.item.arguments);
  Template::Rules rules;
  rules.append = false;
  rules.quote_arguments = false;
  rules.repeat_words = options_.repeat_words;
  rules.names = argument_names_;
  const auto parsed = Template::parse({options_.tag_text}, rules);
  if (const auto* const problem = std::get_if<Template::Problem>(&parsed))
    throw std::runtime_error("--tagstring: " + problem->text);
  return std::get<Template>(parsed).render(job.item.arguments, job.item.seq, job.slot);
}

}  // namespace rankpool::parallel
