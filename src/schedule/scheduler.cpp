#include "schedule/scheduler.hpp"

#include "base/paged_table.hpp"

#include <algorithm>
#include <array>
#include <csignal>
#include <deque>
#include <map>
#include <unordered_map>
#include <utility>

namespace rankpool::schedule {
namespace {
constexpr std::size_t kMaxOutstanding = 64;
constexpr double kShort = 1e6;  // ns
constexpr double kLong = 1e7;   // ns
constexpr int kStartTries = 3;
}  // namespace

class Scheduler::Impl {
 public:
  struct Range {
    WorkId work{};
    std::uint64_t first = 0;
    std::uint64_t count = 0;
  };
  struct Chunk {
    ChunkId id{};
    WorkId work{};
    std::uint64_t first = 0;
    std::uint32_t count = 0;
    std::uint32_t ended = 0;
  };
  struct Pool;
  struct Worker {
    WorkerId id{};
    Pool* pool = nullptr;
    Rank rank{};
    bool ready = false;
    bool stopping = false;
    bool killed = false;
    int chunks_given = 0;
    std::deque<Chunk> chunks;
    std::size_t bucket = SIZE_MAX;
    std::size_t place = 0;
    std::optional<Time> began;
  };
  struct Pool {
    PoolId id{};
    PoolPolicy policy;
    enum class Phase { open, closed, broken, stopped } phase = Phase::open;
    LossId loss = LossId::none;
    std::deque<WorkId> queue;
    std::deque<Range> recovered;
    std::array<std::vector<Worker*>, kMaxOutstanding + 1> by_load;
    std::size_t lowest = 0;
    int alive = 0;      // counted on: starting or ready, not killed
    int processes = 0;  // exist, killed ones included
    int starting = 0;
    int failed_starts = 0;
    double mean_chunk = -1;
    std::uint64_t pending_items = 0;  // not yet handed out (incl. recovered)
    std::uint64_t works = 0;
    bool ended = false;
    bool dirty = false;
  };
  struct Work {
    Pool* pool = nullptr;
    std::uint64_t next = 0;
    std::uint64_t total = 0;
    std::uint64_t ended = 0;
    std::uint32_t chunk = 0;
    std::uint32_t max_chunk = 0;
    bool open = false;
    bool queued = false;
    float item_ns = -1;
    std::uint32_t last_chunk = 0;
  };
  struct RankEntry {
    int capacity = 1;
    bool alive = true;
  };

  std::map<Rank, RankEntry> ranks;
  std::unordered_map<std::uint32_t, std::unique_ptr<Pool>> pools;
  base::PagedTable<Work> works;
  base::PagedTable<std::unique_ptr<Worker>> workers;
  std::map<std::pair<std::uint64_t, std::uint64_t>, int> retries;  // {work, item}
  std::vector<Action> out;
  std::vector<Pool*> dirty;
  std::uint32_t next_worker = 0;
  std::uint64_t next_chunk = 1;
  Time now{0};

  Pool* pool_of(PoolId id) {
    auto f = pools.find(raw(id));
    return f == pools.end() ? nullptr : f->second.get();
  }
  Worker* worker_of(WorkerId id) {
    auto* f = workers.find(raw(id));
    return f ? f->get() : nullptr;
  }
  void touch(Pool& p) {
    if (!p.dirty) {
      p.dirty = true;
      dirty.push_back(&p);
    }
  }

  void bucket_remove(Worker& w) {
    if (w.bucket == SIZE_MAX) return;
    auto& list = w.pool->by_load[w.bucket];
    list[w.place] = list.back();
    list[w.place]->place = w.place;
    list.pop_back();
    w.bucket = SIZE_MAX;
  }
  void bucket_put(Worker& w) {
    bucket_remove(w);
    if (!w.ready || w.stopping || w.killed) return;
    w.bucket = std::min(w.chunks.size(), kMaxOutstanding);
    auto& list = w.pool->by_load[w.bucket];
    w.place = list.size();
    list.push_back(&w);
    w.pool->lowest = std::min(w.pool->lowest, w.bucket);
  }

  std::optional<Rank> place(Pool& p) {
    std::map<Rank, int> used;
    workers.for_each([&](std::uint64_t, std::unique_ptr<Worker>& w) {
      if (w->pool == &p && !w->killed) ++used[w->rank];
    });
    std::optional<Rank> best;
    for (int round = 0; round < 2 && !best; ++round) {
      int least = INT32_MAX;
      for (auto& [r, e] : ranks) {
        if (!e.alive || (round == 0 && used[r] >= e.capacity)) continue;
        if (used[r] < least) {
          least = used[r];
          best = r;
        }
      }
    }
    return best;
  }
  void start_worker(Pool& p, std::optional<Rank> rank = {}) {
    if (!rank || !ranks[*rank].alive) rank = place(p);
    if (!rank) return;
    const WorkerId id{next_worker++};
    auto w = std::make_unique<Worker>();
    w->id = id;
    w->pool = &p;
    w->rank = *rank;
    workers.insert(raw(id), std::move(w));
    ++p.alive;
    ++p.processes;
    ++p.starting;
    out.push_back(StartWorker{id, p.id, *rank});
  }
  void item_done(WorkId id, std::uint64_t n) {
    Work* w = works.find(raw(id));
    if (!w) return;
    w->ended += n;
    check_work(id, *w);
  }
  void check_work(WorkId id, Work& w) {
    if (w.open || w.ended < w.total) return;
    Pool* p = w.pool;
    --p->works;
    works.erase(raw(id));
    out.push_back(WorkEnded{id});
    touch(*p);
  }
  void fail(WorkId w, std::uint64_t first, std::uint64_t n, Reason r, LossId l) {
    if (n == 0) return;
    out.push_back(FailItems{w, first, n, r, l});
    item_done(w, n);
  }
  void cancel(WorkId w, std::uint64_t first, std::uint64_t n) {
    if (n == 0) return;
    out.push_back(CancelItems{w, first, n});
    item_done(w, n);
  }
  template <class End>
  void drain_pending(Pool& p, End&& end) {
    for (auto& r : std::exchange(p.recovered, {})) {
      p.pending_items -= r.count;
      end(r.work, r.first, r.count);
    }
    auto queue = std::exchange(p.queue, {});
    for (WorkId id : queue) {
      Work* w = works.find(raw(id));
      if (!w) continue;
      w->queued = false;
      const auto first = w->next;
      const auto n = w->total - w->next;
      w->next = w->total;
      p.pending_items -= n;
      end(id, first, n);
    }
  }
  void cancel_pending(Pool& p) {
    drain_pending(p, [&](WorkId w, std::uint64_t f, std::uint64_t n) { cancel(w, f, n); });
  }

  /// Gives back what a lost worker had; `inside`: the first unfinished item of its front chunk was running.
  void recover(Worker& w, bool inside, LossId loss, Reason reason) {
    Pool& p = *w.pool;
    std::vector<Range> back;
    bool front = true;
    for (auto& c : std::exchange(w.chunks, {})) {
      std::uint64_t first = c.first + c.ended;
      std::uint64_t n = c.count - c.ended;
      if (front && inside && n > 0) {
        int& tried = retries[{raw(c.work), first}];
        if (reason == Reason::worker_lost && tried < p.policy.max_retries) {
          ++tried;
          back.push_back({c.work, first, 1});
        } else {
          retries.erase({raw(c.work), first});
          fail(c.work, first, 1, reason, loss);
        }
        ++first;
        --n;
      }
      front = false;
      if (n > 0) back.push_back({c.work, first, n});
    }
    for (auto it = back.rbegin(); it != back.rend(); ++it) {
      p.pending_items += it->count;
      p.recovered.push_front(*it);
    }
    if (p.phase == Pool::Phase::stopped) cancel_pending(p);
    touch(p);
  }
  void kill(Worker& w, int signal) {
    if (w.killed) return;
    bucket_remove(w);
    if (!w.ready) --w.pool->starting;
    w.killed = true;
    --w.pool->alive;
    out.push_back(KillWorker{w.id, signal});
  }
  template <class Each>
  void each_worker(Pool& p, Each&& each) {
    std::vector<Worker*> all;
    workers.for_each([&](std::uint64_t, std::unique_ptr<Worker>& w) {
      if (w->pool == &p) all.push_back(w.get());
    });
    for (auto* w : all) each(*w);
  }
  void break_pool(Pool& p, Breakage why, LossId loss) {
    if (p.phase == Pool::Phase::broken || p.phase == Pool::Phase::stopped) return;
    p.phase = Pool::Phase::broken;
    p.loss = loss;
    out.push_back(PoolBroken{p.id, why, loss});
  }
  void fail_all(Pool& p) {
    each_worker(p, [&](Worker& w) {
      kill(w, SIGKILL);
      for (auto& c : std::exchange(w.chunks, {}))
        fail(c.work, c.first + c.ended, c.count - c.ended, Reason::pool_broken, p.loss);
    });
    drain_pending(p, [&](WorkId w, std::uint64_t f, std::uint64_t n) { fail(w, f, n, Reason::pool_broken, p.loss); });
    // open works stay until sealed
    touch(p);
  }
  void forget(Worker& w) {
    Pool& p = *w.pool;
    bucket_remove(w);
    if (!w.killed) {
      --p.alive;
      if (!w.ready) --p.starting;
    }
    --p.processes;
    touch(p);
    workers.erase(raw(w.id));
  }
  bool wants_replacement(Pool& p) {
    if (p.phase == Pool::Phase::open) return p.alive < p.policy.max_workers;
    if (p.phase == Pool::Phase::closed) return p.alive < p.policy.max_workers && (p.pending_items > 0);
    return false;
  }
  void replace(Pool& p, Rank rank) {
    if (wants_replacement(p)) start_worker(p, rank);
  }

  std::size_t depth(Pool& p) const {
    if (p.mean_chunk < 0 || p.mean_chunk > kLong) return 1;
    const double ahead = kShort / std::max(p.mean_chunk, 1.0);
    if (ahead > 3) return 1 + static_cast<std::size_t>(std::min(ahead, double(kMaxOutstanding - 1)));
    return 3;
  }
  std::uint32_t cut(Pool& p, Work& w, std::uint64_t left) {
    if (w.chunk) return static_cast<std::uint32_t>(std::min<std::uint64_t>(left, w.chunk));
    std::uint64_t size = left / (4 * 2 * static_cast<std::uint64_t>(std::max(1, p.alive)));
    if (w.item_ns < 0)
      size = std::min<std::uint64_t>(size, std::max<std::uint32_t>(1, w.last_chunk));
    else {
      const double floor = 150e3 / std::max(1.0f, w.item_ns);
      size = std::max<std::uint64_t>(size, static_cast<std::uint64_t>(std::min(floor, 1e9)));
      const std::uint64_t share = left / static_cast<std::uint64_t>(std::max(1, p.alive));
      size = std::min<std::uint64_t>(size, std::max<std::uint64_t>(1, share));
      size = std::min<std::uint64_t>(size, 8ULL * std::max<std::uint32_t>(1, w.last_chunk));
    }
    size = std::clamp<std::uint64_t>(size, 1, w.max_chunk);
    return static_cast<std::uint32_t>(std::min(size, left));
  }
  Worker* pick(Pool& p) {
    while (p.lowest <= kMaxOutstanding && p.by_load[p.lowest].empty()) ++p.lowest;
    if (p.lowest >= kMaxOutstanding) return nullptr;
    if (p.lowest >= 1 && p.starting > 0 && p.mean_chunk > kShort) return nullptr;
    if (p.lowest >= depth(p)) return nullptr;
    return p.by_load[p.lowest].back();
  }
  void send(Worker& w, WorkId id, std::uint64_t first, std::uint32_t n) {
    Pool& p = *w.pool;
    const ChunkId c{next_chunk++};
    w.chunks.push_back({c, id, first, n, 0});
    ++w.chunks_given;
    p.pending_items -= n;
    out.push_back(SendChunk{w.id, c, id, first, n});
    if (p.policy.max_chunks_per_worker && w.chunks_given >= p.policy.max_chunks_per_worker)
      stop(w);
    else
      bucket_put(w);
  }
  void stop(Worker& w) {
    if (w.stopping) return;
    bucket_remove(w);
    w.stopping = true;
    out.push_back(StopWorker{w.id});
  }
  void dispatch(Pool& p) {
    if (p.phase == Pool::Phase::open || p.phase == Pool::Phase::closed) {
      while (p.pending_items > 0) {
        Worker* w = pick(p);
        if (!w) break;
        if (!p.recovered.empty()) {
          Range& r = p.recovered.front();
          Work* work = works.find(raw(r.work));
          if (!work) {
            p.pending_items -= r.count;
            p.recovered.pop_front();
            continue;
          }
          const auto retried = retries.find({raw(r.work), r.first});
          std::uint32_t n = retried != retries.end() ? 1 : cut(p, *work, r.count);
          const auto id = r.work;
          const auto first = r.first;
          r.first += n;
          r.count -= n;
          if (r.count == 0) p.recovered.pop_front();
          send(*w, id, first, n);
          continue;
        }
        if (p.queue.empty()) break;
        const WorkId id = p.queue.front();
        Work* work = works.find(raw(id));
        if (!work || work->next == work->total) {
          if (work) work->queued = false;
          p.queue.pop_front();
          continue;
        }
        const std::uint32_t n = cut(p, *work, work->total - work->next);
        const auto first = work->next;
        work->next += n;
        work->last_chunk = std::max(work->last_chunk, n);
        if (work->next == work->total) {
          work->queued = false;
          p.queue.pop_front();
        }
        send(*w, id, first, n);
      }
    }
    if (p.phase == Pool::Phase::closed && p.works == 0)
      each_worker(p, [&](Worker& w) {
        if (!w.killed) stop(w);
      });
    if (p.phase == Pool::Phase::closed && p.works > 0 && p.pending_items > 0 && p.processes == 0) start_worker(p);
    if (p.phase != Pool::Phase::open && p.works == 0 && p.processes == 0 && !p.ended) {
      p.ended = true;
      out.push_back(PoolEnded{p.id});
    }
  }
  void dispatch_all() {
    while (!dirty.empty()) {
      auto list = std::exchange(dirty, {});
      for (Pool* p : list) {
        p->dirty = false;
        dispatch(*p);
      }
      for (Pool* p : list)
        if (p->ended && !p->dirty) pools.erase(raw(p->id));
    }
  }
  template <class Chunks>
  void fail_chunks(const Chunks& chunks, bool inside, LossId loss) {
    for (const auto& c : chunks) {
      auto first = c.first + c.ended;
      std::uint64_t left = c.count - c.ended;
      if (std::exchange(inside, false) && left > 0) {
        fail(c.work, first++, 1, Reason::worker_lost, loss);
        --left;
      }
      fail(c.work, first, left, Reason::pool_broken, loss);
    }
  }
  void lost(Worker& w, bool inside, LossId loss, Breakage why) {
    Pool& p = *w.pool;
    const Rank rank = w.rank;
    if (p.phase == Pool::Phase::broken || p.phase == Pool::Phase::stopped) {
      forget(w);
      return;
    }
    if (!p.policy.replace_lost_workers) {
      auto chunks = std::exchange(w.chunks, {});
      forget(w);
      break_pool(p, why, loss);
      fail_chunks(chunks, inside, loss);
      fail_all(p);
      return;
    }
    const bool was_ready = w.ready;
    recover(w, inside, loss, Reason::worker_lost);
    forget(w);
    if (!was_ready) {
      if (++p.failed_starts >= kStartTries) {
        if (p.alive == 0) {
          break_pool(p, Breakage::no_workers_start, loss);
          fail_all(p);
        }
        return;
      }
    } else
      p.failed_starts = 0;
    replace(p, rank);
  }
};

Scheduler::Scheduler() : impl_(std::make_unique<Impl>()) {}
Scheduler::~Scheduler() = default;

void Scheduler::rank_joined(Rank rank, int capacity) { impl_->ranks[rank] = {std::max(1, capacity), true}; }

void Scheduler::rank_lost(Rank rank, LossId loss) {
  auto& i = *impl_;
  i.ranks[rank].alive = false;
  std::vector<WorkerId> gone;
  i.workers.for_each([&](std::uint64_t, std::unique_ptr<Impl::Worker>& w) {
    if (w->rank == rank) gone.push_back(w->id);
  });
  // All of them are gone before anything is decided: what follows from the first must not be asked of the second.
  std::vector<std::pair<PoolId, std::vector<Impl::Chunk>>> left;
  for (auto id : gone) {
    Impl::Worker& w = *i.worker_of(id);
    Impl::Pool& p = *w.pool;
    if (p.policy.replace_lost_workers && !w.killed) {
      i.recover(w, true, loss, Reason::worker_lost);
    } else if (!w.killed) {
      left.emplace_back(p.id, std::vector<Impl::Chunk>(w.chunks.begin(), w.chunks.end()));
    }
    i.forget(w);
  }
  for (auto& [id, chunks] : left) {
    Impl::Pool& p = *i.pool_of(id);
    i.break_pool(p, Breakage::rank_lost, loss);
    i.fail_chunks(chunks, true, loss);
  }
  for (auto& [id, p] : i.pools) {
    if (p->phase == Impl::Pool::Phase::broken) {
      i.fail_all(*p);
    } else if (p->alive == 0) {
      i.replace(*p, rank);
    }
  }
}

void Scheduler::tick(Time now) {
  auto& i = *impl_;
  i.now = now;
  for (auto& [id, p] : i.pools) {
    if (p->policy.task_timeout.count() == 0) continue;
    i.each_worker(*p, [&](Impl::Worker& w) {
      if (w.killed || !w.began || now - *w.began <= p->policy.task_timeout) return;
      const Rank rank = w.rank;
      i.kill(w, SIGKILL);
      i.recover(w, true, LossId::none, Reason::task_timeout);
      i.replace(*p, rank);
    });
  }
}

std::optional<Time> Scheduler::next_deadline() const {
  auto& i = *impl_;
  std::optional<Time> next;
  for (auto& [id, p] : i.pools) {
    if (p->policy.task_timeout.count() == 0) continue;
    i.each_worker(*p, [&](Impl::Worker& w) {
      if (w.killed || !w.began) return;
      const auto at = *w.began + p->policy.task_timeout;
      if (!next || at < *next) next = at;
    });
  }
  return next;
}

void Scheduler::pool_opened(PoolId pool, PoolPolicy policy) {
  auto& i = *impl_;
  auto p = std::make_unique<Impl::Pool>();
  p->id = pool;
  p->policy = policy;
  auto& ref = *p;
  i.pools[raw(pool)] = std::move(p);
  for (int n = 0; n < policy.max_workers; ++n) i.start_worker(ref);
}
void Scheduler::pool_closed(PoolId pool) {
  if (auto* p = impl_->pool_of(pool)) {
    if (p->phase == Impl::Pool::Phase::open) p->phase = Impl::Pool::Phase::closed;
    impl_->touch(*p);
  }
}
void Scheduler::pool_cancelled(PoolId pool) {
  if (auto* p = impl_->pool_of(pool)) {
    impl_->cancel_pending(*p);
    impl_->touch(*p);
  }
}
void Scheduler::pool_stopped(PoolId pool, int signal) {
  auto& i = *impl_;
  auto* p = i.pool_of(pool);
  if (!p || p->phase == Impl::Pool::Phase::stopped) return;
  p->phase = Impl::Pool::Phase::stopped;
  i.each_worker(*p, [&](Impl::Worker& w) {
    i.kill(w, signal);
    bool front = true;
    for (auto& c : std::exchange(w.chunks, {})) {
      auto first = c.first + c.ended;
      std::uint64_t n = c.count - c.ended;
      if (front && n) {
        i.fail(c.work, first, 1, Reason::forced_stop, LossId::none);
        ++first;
        --n;
      }
      front = false;
      i.fail(c.work, first, n, Reason::forced_stop, LossId::none);
    }
  });
  i.cancel_pending(*p);
  i.touch(*p);
}
int Scheduler::workers_alive(PoolId pool) const {
  auto* p = impl_->pool_of(pool);
  return p && p->phase != Impl::Pool::Phase::broken && p->phase != Impl::Pool::Phase::stopped ? p->alive : 0;
}

void Scheduler::work_submitted(PoolId pool, WorkId work, WorkSpec spec) {
  auto& i = *impl_;
  auto* p = i.pool_of(pool);
  if (!p) {
    i.out.push_back(CancelItems{work, 0, spec.items});
    i.out.push_back(WorkEnded{work});
    return;
  }
  Impl::Work w;
  w.pool = p;
  w.total = spec.items;
  w.open = spec.open;
  w.chunk = spec.chunk;
  w.max_chunk = std::max(1U, spec.max_chunk);
  ++p->works;
  auto& ref = i.works.insert(raw(work), w);
  if (p->phase == Impl::Pool::Phase::broken || p->phase == Impl::Pool::Phase::stopped) {
    ref.next = ref.total;
    if (p->phase == Impl::Pool::Phase::broken)
      i.fail(work, 0, spec.items, Reason::pool_broken, p->loss);
    else
      i.cancel(work, 0, spec.items);
    if (spec.items == 0) i.check_work(work, ref);
    return;
  }
  if (spec.items > 0) {
    ref.queued = true;
    p->queue.push_back(work);
    p->pending_items += spec.items;
  } else
    i.check_work(work, ref);
  i.touch(*p);
}
void Scheduler::work_extended(WorkId work, std::uint64_t more) {
  auto& i = *impl_;
  auto* w = i.works.find(raw(work));
  if (!w || more == 0) return;
  auto* p = w->pool;
  if (p->phase == Impl::Pool::Phase::broken || p->phase == Impl::Pool::Phase::stopped) {
    const auto first = w->total;
    w->total += more;
    w->next = w->total;
    if (p->phase == Impl::Pool::Phase::broken)
      i.fail(work, first, more, Reason::pool_broken, p->loss);
    else
      i.cancel(work, first, more);
    return;
  }
  w->total += more;
  p->pending_items += more;
  if (!w->queued) {
    w->queued = true;
    p->queue.push_back(work);
  }
  i.touch(*p);
}
void Scheduler::work_sealed(WorkId work) {
  auto* w = impl_->works.find(raw(work));
  if (!w) return;
  w->open = false;
  impl_->check_work(work, *w);
}
void Scheduler::work_cancelled(WorkId work) {
  auto& i = *impl_;
  auto* w = i.works.find(raw(work));
  if (!w) return;
  Impl::Pool& p = *w->pool;
  w->open = false;
  const auto first = w->next;
  const auto n = w->total - w->next;
  w->next = w->total;
  p.pending_items -= n;
  std::vector<Impl::Range> mine;
  std::erase_if(p.recovered, [&](const Impl::Range& r) {
    if (r.work != work) return false;
    mine.push_back(r);
    return true;
  });
  for (auto& r : mine) {
    p.pending_items -= r.count;
    i.cancel(work, r.first, r.count);
  }
  if (n) i.cancel(work, first, n);
  if (auto* again = i.works.find(raw(work))) i.check_work(work, *again);
  i.touch(p);
}

void Scheduler::worker_ready(WorkerId id) {
  auto* w = impl_->worker_of(id);
  if (!w || w->ready || w->killed) return;
  w->ready = true;
  --w->pool->starting;
  w->pool->failed_starts = 0;
  impl_->bucket_put(*w);
  impl_->touch(*w->pool);
}
void Scheduler::worker_failed_to_start(WorkerId id, LossId loss) {
  auto* w = impl_->worker_of(id);
  if (!w) return;
  auto& p = *w->pool;
  const Rank rank = w->rank;
  impl_->forget(*w);
  if (++p.failed_starts < kStartTries)
    impl_->replace(p, rank);
  else if (p.alive == 0) {
    impl_->break_pool(p, Breakage::no_workers_start, loss);
    impl_->fail_all(p);
  }
}
void Scheduler::initializer_failed(WorkerId id, LossId loss) {
  auto* w = impl_->worker_of(id);
  if (!w || w->killed) return;
  auto& p = *w->pool;
  impl_->break_pool(p, Breakage::initializer_failed, loss);
  impl_->fail_all(p);
}
void Scheduler::item_began(WorkerId id) {
  if (auto* w = impl_->worker_of(id)) w->began = impl_->now;
}
void Scheduler::items_ended(WorkerId id, std::uint32_t count) {
  auto* w = impl_->worker_of(id);
  if (!w || w->chunks.empty()) return;
  w->began.reset();
  auto& c = w->chunks.front();
  count = std::min(count, c.count - c.ended);
  c.ended += count;
  if (!impl_->retries.empty()) impl_->retries.erase({raw(c.work), c.first + c.ended - 1});
  impl_->item_done(c.work, count);
}
void Scheduler::chunk_done(WorkerId id, Nanoseconds busy) {
  auto* w = impl_->worker_of(id);
  if (!w || w->chunks.empty()) return;
  auto c = w->chunks.front();
  w->chunks.pop_front();
  auto& p = *w->pool;
  const double ns = static_cast<double>(std::max<std::int64_t>(busy.count(), 1));
  p.mean_chunk = p.mean_chunk < 0 || ns > 4 * p.mean_chunk ? ns : p.mean_chunk + (ns - p.mean_chunk) / 8;
  if (auto* work = impl_->works.find(raw(c.work)); work && c.count) {
    const float each = static_cast<float>(ns / c.count);
    work->item_ns = work->item_ns < 0 ? each : work->item_ns + (each - work->item_ns) / 4;
  }
  if (!w->killed && !w->stopping) impl_->bucket_put(*w);
  impl_->touch(p);
}
void Scheduler::chunk_declined(WorkerId id, ChunkId chunk) {
  auto* w = impl_->worker_of(id);
  if (!w || w->chunks.empty()) return;
  for (auto it = w->chunks.begin(); it != w->chunks.end(); ++it) {
    if (it->id != chunk) continue;
    auto c = *it;
    w->chunks.erase(it);
    --w->chunks_given;
    impl_->item_done(c.work, c.count);
    break;
  }
  if (!w->killed && !w->stopping) impl_->bucket_put(*w);
  impl_->touch(*w->pool);
}
void Scheduler::worker_ended(WorkerId id, LossId loss, bool inside_item) {
  auto& i = *impl_;
  auto* w = i.worker_of(id);
  if (!w) return;
  auto& p = *w->pool;
  const Rank rank = w->rank;
  if (w->killed) {
    i.forget(*w);
    return;
  }
  if (w->stopping && w->chunks.empty()) {
    i.forget(*w);
    i.replace(p, rank);
    return;
  }
  i.lost(*w, inside_item, loss, Breakage::worker_lost);
}
void Scheduler::take_actions(std::vector<Action>& to) {
  impl_->dispatch_all();
  for (auto& a : impl_->out) to.push_back(a);
  impl_->out.clear();
}

}  // namespace rankpool::schedule
