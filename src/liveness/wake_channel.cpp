#include "liveness/wake_channel.hpp"

#include "base/foreign_descriptor.hpp"
#include "liveness/socket_tools.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <algorithm>
#include <array>
#include <atomic>
#include <climits>
#include <cstring>
#include <new>
#include <string>
#include <utility>
#include <vector>

namespace rankpool::liveness {
namespace {

/// What rank 0 shares with all.
struct Head {
  std::int32_t pipe = -1;  ///< rank 0's
  std::uint32_t ranks = 0;
  alignas(64) std::atomic<std::uint32_t> asleep{0};  ///< rank 0 is
  alignas(64) std::atomic<std::uint64_t> news{0};    ///< messages to rank 0, of all ranks
};
/// What it shares with one rank.
struct Line {
  alignas(64) std::atomic<std::uint64_t> to_rank{0};  ///< messages sent to it
  std::atomic<std::uint32_t> connected{0};
  alignas(64) std::atomic<std::uint64_t> to_zero{0};  ///< messages sent by it
  alignas(64) std::atomic<std::uint32_t> asleep{0};
};

std::size_t page_size(std::size_t ranks) { return sizeof(Head) + ranks * sizeof(Line); }
std::string name_of(std::uint64_t number) { return "rankpool wake-up channels " + std::to_string(number); }

/// Descriptors and memory of one end.
class Belongings {
 public:
  Belongings() = default;
  Belongings(const Belongings&) = delete;
  Belongings& operator=(const Belongings&) = delete;
  ~Belongings() {
    if (memory != nullptr) ::munmap(memory, size);
    for (const int fd : {page, own_read, own_write}) {
      if (fd >= 0) ::close(fd);
    }
  }
  bool make_pipe() {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK) != 0) return false;
    own_read = ends[0];
    own_write = ends[1];
    return true;
  }
  bool map(std::size_t bytes) {
    void* const mapped = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, page, 0);
    if (mapped == MAP_FAILED) return false;
    memory = static_cast<std::byte*>(mapped);
    size = bytes;
    return true;
  }
  void drain() const noexcept {
    std::array<char, 64> rings;
    while (::read(own_read, rings.data(), rings.size()) == static_cast<ssize_t>(rings.size())) {
    }
  }
  [[nodiscard]] Head& head() const noexcept { return *reinterpret_cast<Head*>(memory); }
  [[nodiscard]] Line& line(Rank rank) const noexcept {
    return reinterpret_cast<Line*>(memory + sizeof(Head))[static_cast<std::size_t>(raw(rank))];
  }

  int page = -1;
  int own_read = -1;
  int own_write = -1;
  std::byte* memory = nullptr;
  std::size_t size = 0;
};

void ring_if_asleep(std::atomic<std::uint32_t>& asleep, int pipe) noexcept {
  if (asleep.load(std::memory_order_seq_cst) == 0 || asleep.exchange(0, std::memory_order_seq_cst) == 0) return;
  [[maybe_unused]] const auto written = ::write(pipe, "", 1);  // a full pipe rings as well
}

}  // namespace

class WakeChannels::Impl {
 public:
  ~Impl() {
    for (const int pipe : pipes) {
      if (pipe >= 0) ::close(pipe);
    }
  }
  bool make(std::size_t ranks) {
    const Token random = random_token();
    std::memcpy(&number, random.data(), sizeof number);
    if (!own.make_pipe()) return false;
    own.page = ::memfd_create(name_of(number).c_str(), MFD_CLOEXEC);
    if (own.page < 0 || ::ftruncate(own.page, static_cast<off_t>(page_size(ranks))) != 0) return false;
    if (!own.map(page_size(ranks))) return false;
    new (&own.head()) Head;
    own.head().pipe = own.own_write;
    own.head().ranks = static_cast<std::uint32_t>(ranks);
    for (std::size_t i = 0; i < ranks; ++i) new (&own.line(Rank{static_cast<std::int32_t>(i)})) Line;
    pipes.assign(ranks, -1);
    return true;
  }
  /// A rank has sent more than has come.
  [[nodiscard]] bool behind(const std::function<std::uint64_t(Rank)>& received) const {
    return std::any_of(neighbours.begin(), neighbours.end(), [&](Rank rank) {
      return own.line(rank).to_zero.load(std::memory_order_seq_cst) > received(rank);
    });
  }
  [[nodiscard]] int& pipe(Rank rank) noexcept { return pipes[static_cast<std::size_t>(raw(rank))]; }

  Belongings own;
  std::uint64_t number = 0;
  std::vector<int> pipes;        ///< by rank; of those that are connected
  std::vector<Rank> neighbours;  ///< those ranks
  std::uint64_t seen_news = 0;
  bool outstanding = false;  ///< not all that it told of had come
};

WakeChannels::WakeChannels(int ranks) {
  try {
    auto made = std::make_unique<Impl>();
    if (made->make(static_cast<std::size_t>(ranks))) impl_ = std::move(made);
  } catch (...) {  // no memory for it: no wakeup
  }
}
WakeChannels::~WakeChannels() = default;

WakePlace WakeChannels::place() const noexcept {
  if (!impl_) return {};
  return {::getpid(), impl_->own.page, impl_->number, base::own_pid_space()};
}

bool WakeChannels::connect(Rank rank, pid_t pid, int fd, std::uint64_t sent) {
  if (!impl_ || fd < 0 || connected(rank)) return false;
  const int pipe = base::open_foreign_pipe(pid, fd);
  if (pipe < 0) return false;
  impl_->pipe(rank) = pipe;
  impl_->neighbours.push_back(rank);
  impl_->own.line(rank).to_rank.store(sent, std::memory_order_release);
  impl_->own.line(rank).connected.store(1, std::memory_order_release);
  return true;
}

bool WakeChannels::connected(Rank rank) const noexcept { return impl_ && impl_->pipe(rank) >= 0; }

void WakeChannels::disconnect(Rank rank) noexcept {
  if (!connected(rank)) return;
  ::close(std::exchange(impl_->pipe(rank), -1));
  std::erase(impl_->neighbours, rank);
}

void WakeChannels::sent(Rank rank, std::uint64_t messages) noexcept {
  if (!connected(rank)) return;
  Line& line = impl_->own.line(rank);
  line.to_rank.store(messages, std::memory_order_seq_cst);
  ring_if_asleep(line.asleep, impl_->pipe(rank));
}

bool WakeChannels::under_way(const std::function<std::uint64_t(Rank)>& received) {
  if (!impl_) return false;
  const std::uint64_t news = impl_->own.head().news.load(std::memory_order_acquire);
  if (std::exchange(impl_->seen_news, news) == news && !impl_->outstanding) return false;
  impl_->outstanding = impl_->behind(received);
  return impl_->outstanding;
}

bool WakeChannels::prepare_sleep(const std::function<std::uint64_t(Rank)>& received) noexcept {
  if (!impl_) return true;
  impl_->own.head().asleep.store(1, std::memory_order_seq_cst);
  return !impl_->behind(received);
}

void WakeChannels::awake(bool rung) noexcept {
  if (!impl_) return;
  impl_->own.head().asleep.store(0, std::memory_order_seq_cst);
  if (rung) impl_->own.drain();
}

int WakeChannels::fd() const noexcept { return impl_ ? impl_->own.own_read : -1; }

class WakeChannel::Impl {
 public:
  ~Impl() {
    if (zero >= 0) ::close(zero);
  }
  bool take_up(Rank rank, const WakePlace& place) {
    if (place.fd < 0 || place.pid_space == 0 || place.pid_space != base::own_pid_space()) return false;
    own.page = base::open_foreign_memfd(place.pid, place.fd, name_of(place.number));
    if (own.page < 0) return false;
    struct stat facts {};
    if (::fstat(own.page, &facts) != 0 ||
        facts.st_size < static_cast<off_t>(page_size(static_cast<std::size_t>(raw(rank)) + 1))) {
      return false;
    }
    if (!own.map(static_cast<std::size_t>(facts.st_size)) || !own.make_pipe()) return false;
    self = rank;
    zero = base::open_foreign_pipe(place.pid, own.head().pipe);
    return zero >= 0;
  }
  [[nodiscard]] Line& line() const noexcept { return own.line(self); }

  Belongings own;
  int zero = -1;  ///< rank 0's pipe
  Rank self{};
};

WakeChannel::WakeChannel(Rank self, const WakePlace& place) {
  try {
    auto made = std::make_unique<Impl>();
    if (made->take_up(self, place)) impl_ = std::move(made);
  } catch (...) {  // no memory for it: no wakeup
  }
}
WakeChannel::~WakeChannel() = default;

int WakeChannel::pipe() const noexcept { return impl_ ? impl_->own.own_write : -1; }
bool WakeChannel::connected() const noexcept {
  return impl_ && impl_->line().connected.load(std::memory_order_acquire) != 0;
}

void WakeChannel::sent(std::uint64_t messages) noexcept {
  if (!impl_) return;
  impl_->line().to_zero.store(messages, std::memory_order_seq_cst);
  impl_->own.head().news.fetch_add(1, std::memory_order_release);
  ring_if_asleep(impl_->own.head().asleep, impl_->zero);
}

bool WakeChannel::under_way(std::uint64_t received) const noexcept {
  return impl_->line().to_rank.load(std::memory_order_seq_cst) > received;
}

bool WakeChannel::prepare_sleep(std::uint64_t received) noexcept {
  impl_->line().asleep.store(1, std::memory_order_seq_cst);
  return !under_way(received);
}

void WakeChannel::awake(bool rung) noexcept {
  if (!impl_) return;
  impl_->line().asleep.store(0, std::memory_order_seq_cst);
  if (rung) impl_->own.drain();
}

int WakeChannel::fd() const noexcept { return impl_ ? impl_->own.own_read : -1; }

}  // namespace rankpool::liveness
