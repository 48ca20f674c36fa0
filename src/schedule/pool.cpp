#include "schedule/pool.hpp"

#include "base/pace.hpp"

#include <algorithm>
#include <limits>

namespace rankpool::schedule {
namespace {

constexpr std::uint64_t kNoEnd = std::numeric_limits<std::uint64_t>::max();
/// Where workers share cores, a work's first items go to so many workers a core.
constexpr std::size_t kFirstOnACore = 2;

}  // namespace

using Single = WorkTable::Single;

Pool::Pool(PoolId id, const PoolPolicy& policy, Common& common)
    : id_(id),
      policy_(policy),
      common_(common),
      backlog_(common.works),
      queue_(common.works),
      wanted_(std::max(policy.max_workers, 1)) {}

// -- works

void Pool::submitted(WorkId work, const WorkSpec& spec) {
  common_.works.add(work, id_, spec);
  ++works_;
  if ((spec.ranks > 0 || spec.memory > 0) && spec.items > 0) {
    queue_.append(work, backlog_.gone() + backlog_.before(spec.priority));
  } else if (spec.avoid && spec.items == 1 && !spec.open) {
    common_.works.find_many(work)->next = 1;
    run_elsewhere({work, 0, 1}, {});
  } else if (spec.items > 0) {
    backlog_.append(work, spec.items);
  }
  if (spec.items == 0 && !spec.open) {
    end_work(work);
  } else if (phase_ == Phase::broken) {
    seal_all_open();
    end_backlog({Reason::pool_broken, loss_});
  } else if (cancelled_ || phase_ == Phase::stopped) {
    seal_all_open();
    end_backlog({});
  } else if (sealed_ && spec.open) {
    seal_all_open();
  }
  update();
}

void Pool::extended(WorkId work, std::uint64_t more) {
  ManyItems* const many = common_.works.find_many(work);
  if (many == nullptr || !many->open || more == 0) return;
  more = std::min(more, kNoEnd - many->items);
  many->items += more;
  if (many->waits_for_places()) {
    queue_.append(work, backlog_.gone() + backlog_.before(many->priority));
  } else {
    backlog_.append(work, more);
  }
  update();
}

void Pool::sealed(WorkId work) {
  ManyItems* const many = common_.works.find_many(work);
  if (many == nullptr || !many->open) return;
  many->open = false;
  items_updated(work, 0);
  update();
}

void Pool::cancelled(WorkId work) {
  WorkTable::Entry* const entry = common_.works.find(work);
  if (entry == nullptr) return;
  const ManyItems* const of_many = common_.works.find_many(work);
  auto ranges = of_many != nullptr && of_many->waits_for_places() ? queue_.withdraw(work) : backlog_.withdraw(work);
  withdraw_elsewhere(work, ranges);
  if (entry->single() == Single::no) {
    ManyItems& many = common_.works.many(*entry);
    many.cancelled = true;
    many.open = false;
  } else {
    entry->set(Single::handed_out_and_cancelled);
  }
  for (const Range& range : ranges) end_items(range, {});
  if (ranges.empty()) items_updated(work, 0);
  update();
}

void Pool::seal() {
  sealed_ = true;
  seal_all_open();
  update();
}

void Pool::cancel() {
  if (!takes_chunks()) return;
  cancelled_ = phase_ == Phase::closed;
  for (Worker* const worker : members_) {
    for (std::size_t i = 0; i < worker->chunks.size(); ++i) {
      WorkTable::Entry* const entry = common_.works.find(worker->chunks[i].work);
      if (entry != nullptr && entry->single() != Single::no) entry->set(Single::handed_out_and_cancelled);
    }
  }
  for (const WorkId work : common_.works.many_of(id_)) common_.works.find_many(work)->cancelled = true;
  seal_all_open();
  end_backlog({});
  update();
}

void Pool::close() {
  if (phase_ != Phase::open) return;
  phase_ = Phase::closed;
  update();
}

bool Pool::is_cancelled(WorkId work) {
  const WorkTable::Entry* const entry = common_.works.find(work);
  if (entry == nullptr) return true;
  return entry->single() == Single::no ? common_.works.many(*entry).cancelled
                                       : entry->single() == Single::handed_out_and_cancelled;
}

/// Whatever their owners append from now on has ended with what is said here.
void Pool::seal_all_open() {
  for (const WorkId work : common_.works.many_of(id_)) {
    ManyItems& many = *common_.works.find_many(work);
    if (!many.open) continue;
    many.open = false;
    const std::uint64_t rest = kNoEnd - many.items;
    if (phase_ == Phase::broken) {
      common_.actions.emplace_back(FailItems{work, many.items, rest, Reason::pool_broken, loss_});
    } else {
      common_.actions.emplace_back(CancelItems{work, many.items, rest});
    }
    items_updated(work, 0);
  }
}

void Pool::end_backlog(const Ending& how) {
  for (const Range& range : backlog_.withdraw_all()) end_items(range, how);
  for (const Elsewhere& one : std::exchange(elsewhere_, {})) end_items(one.item, how);
  for (const Range& range : queue_.withdraw_all()) end_items(range, how);
}

void Pool::end_items(const Range& range, const Ending& how) {
  if (range.count == 0) return;
  if (how.reason) {
    common_.actions.emplace_back(FailItems{range.work, range.first, range.count, *how.reason, how.loss});
  } else {
    common_.actions.emplace_back(CancelItems{range.work, range.first, range.count});
  }
  if (!retries_.empty() && range.count == 1) retries_.erase({range.work, range.first});
  items_updated(range.work, range.count);
}

void Pool::items_updated(WorkId work, std::uint64_t count) {
  const WorkTable::Entry* const entry = common_.works.find(work);
  if (entry == nullptr) return;
  if (entry->single() == Single::no) {
    ManyItems& many = common_.works.many(*entry);
    many.ended += count;
    if (many.open || many.ended < many.items) return;
  } else if (count == 0) {
    return;
  }
  end_work(work);
}

void Pool::end_work(WorkId work) {
  common_.works.erase(work);
  --works_;
  common_.actions.emplace_back(WorkEnded{work});
}

// -- who gets what

void Pool::feed() {
  bool handed = false;
  do {
    if (!queue_.empty() || !kept_.empty()) serve_waiting();
    if (!elsewhere_.empty()) feed_elsewhere();
    for (handed = false; !backlog_.empty(); handed = true) {
      Worker* const worker = worker_for_next();
      if (worker == nullptr) break;
      const auto chunk = next_chunk();
      if (!chunk) break;
      hand(*worker, *chunk);
      if (!waiting_on_.empty()) overtake_waiting(*worker);
    }
  } while (handed && !queue_.empty());  // of what waits one may have come to its turn
}

void Pool::give_back(const Range& range) {
  const ManyItems* const many = common_.works.find_many(range.work);
  if (many != nullptr && many->waits_for_places()) {
    queue_.give_back(range);
  } else {
    backlog_.give_back(range);
  }
}

std::optional<WorkerId> Pool::next_idle() const noexcept {
  if (phase_ != Phase::open || !backlog_.empty() || !elsewhere_.empty() || !queue_.empty() || lacks_workers()) {
    return {};
  }
  const Worker* const worker = ready_.idle();
  return worker == nullptr ? std::nullopt : std::optional(worker->id);
}

std::optional<Range> Pool::next_chunk() {
  const Crew crew = this->crew();
  return backlog_.take(crew, joins_chunks() ? look_ahead_.batch(crew.workers) : 1);
}

/// Where workers share cores a few of them are enough for a moment: until it is known how long items last, and where
/// they are through with all that waits before the others would be awake.
Pool::Takers Pool::takers(Crew crew) {
  const bool each_by_itself = next_size() == ChunkSize::given;
  if (!crew.oversubscribed() || (!backlog_.next_is_growing(crew, look_ahead_) &&
                                 (each_by_itself || !backlog_.takes_less_than(pace::kProbing * crew.cores)))) {
    all_from_.reset();
    return Takers::any;
  }
  if (ready_.busy() < kFirstOnACore * crew.cores) return Takers::any;
  if (!all_from_) all_from_ = common_.now + pace::kProbing;
  if (common_.now >= *all_from_) return Takers::any;
  return each_by_itself ? Takers::none : Takers::few;
}

/// What the caller wants told item by item goes chunk by chunk.
ChunkSize Pool::next_size() const {
  const ChunkSize size = backlog_.next_size();
  return size == ChunkSize::batched && !joins_chunks() ? ChunkSize::given : size;
}

Worker* Pool::worker_for_next() {
  Crew crew = this->crew();
  if (Worker* const worker = ready_.idle()) {
    const Takers takers = this->takers(crew);
    if (takers == Takers::any) return worker;
    if (takers == Takers::none) return nullptr;
    crew.workers = std::min(crew.workers, kFirstOnACore * crew.cores);
  }
  // Soon there will be an idle one: tasks that wait for each other must not end up behind each other.
  if (count(WorkerState::starting) + count(WorkerState::stopping) > 0) return nullptr;
  if (!backlog_.more_chunks_than(look_ahead_.reserve(crew.workers), crew)) return nullptr;
  if (!backlog_.next_is_known()) return nullptr;
  const ChunkSize size = next_size();
  while (Worker* const worker = ready_.least_busy()) {
    if (worker->returned && !reserved(*worker) && worker->chunks.size() <= look_ahead_.allowed(crew.workers, size))
      return worker;
    ready_.withhold(*worker);  // until one of its chunks has left it
  }
  return nullptr;
}

void Pool::hand(Worker& worker, const Range& range) {
  const ChunkId id{common_.next_chunk++};
  const auto size = static_cast<std::uint32_t>(range.count);
  if (worker.chunks.empty() && worker.had_last != common_.now) worker.returned = false;
  worker.chunks.push_back({id, range.work, range.first, size, 0, range.batched});
  ++worker.chunks_given;
  common_.actions.emplace_back(SendChunk{worker.id, id, range.work, range.first, size});
  ready_.place(worker);
  if (worn_out(worker)) ready_.withhold(worker);
}

/// One chunk less: it may have more, or has had its last.
void Pool::chunk_left(Worker& worker) {
  if (!worn_out(worker)) {
    ready_.place(worker);
  } else if (worker.chunks.empty()) {
    stop_gently(worker);
  }
}

void Pool::item_began(Worker& worker) {
  if (worker.chunks.empty()) return;
  stop_timer(worker);
  const Nanoseconds limit = time_limit_of(worker.chunks.front().work);
  if (limit <= Nanoseconds{0}) return;
  worker.runs_out = common_.now + limit;
  timed_.insert(worker, [](const Worker& a, const Worker& b) { return a.runs_out <= b.runs_out; });
}

void Pool::items_ended(Worker& worker, std::uint32_t count) {
  if (worker.chunks.empty()) return;
  stop_timer(worker);
  Chunk& chunk = worker.chunks.front();
  count = std::min(count, chunk.count - chunk.ended);
  chunk.ended += count;
  if (!retries_.empty() && chunk.count == 1) retries_.erase({chunk.work, chunk.first});
  if (count > 0) items_updated(chunk.work, count);
}

void Pool::chunk_done(Worker& worker, Nanoseconds busy) {
  if (worker.chunks.empty()) return;
  stop_timer(worker);
  const Chunk chunk = worker.chunks.front();
  worker.chunks.pop_front();
  if (worker.memory != 0) release_memory(worker);
  look_ahead_.measured(busy, chunk.batched);
  worker.returned = true;
  worker.had_last = common_.now;
  if (worker.chunks.empty() && backlog_.empty()) {
    look_ahead_.ran_dry();
    all_from_.reset();
  }
  if (ManyItems* const many = common_.works.find_many(chunk.work)) many->policy.measured(chunk.count, busy);
  if (chunk.ended < chunk.count) {
    give_back({chunk.work, chunk.first + chunk.ended, chunk.count - chunk.ended});
  }
  chunk_left(worker);
  rest_later();
}

void Pool::chunk_declined(Worker& worker, ChunkId id) {
  for (std::size_t i = 0; i < worker.chunks.size(); ++i) {
    const Chunk chunk = worker.chunks[i];
    if (chunk.id != id) continue;
    worker.chunks.erase(i);
    if (i == 0) release_memory(worker);
    --worker.chunks_given;
    if (!retries_.empty()) retries_.erase({chunk.work, chunk.first});
    items_updated(chunk.work, chunk.count - chunk.ended);
    chunk_left(worker);
    update();
    return;
  }
}

// -- rest

void Pool::rest_later() {
  if (!std::exchange(dirty_, true)) common_.dirty.push_back(id_);
}

void Pool::update() {
  dirty_ = false;
  if (over_) return;
  if (takes_chunks()) {
    start_missing();
    feed();
    if (phase_ == Phase::closed && works_ == 0 && count(WorkerState::starting) + count(WorkerState::ready) > 0) {
      for (Worker* const worker : members_) stop_gently(*worker);
    }
  }
  if (phase_ == Phase::open || works_ > 0 || !members_.empty() || !groups_.empty()) return;
  over_ = true;
  common_.actions.emplace_back(PoolEnded{id_});
}

}  // namespace rankpool::schedule
