#include "support/loop_network.hpp"

#include <mutex>
#include <utility>

namespace rankpool::test {

using transport::BrokenPeer;
using transport::Incoming;
using transport::Transport;

class LoopNetwork::Impl {
 public:
  /// What goes from one rank to another.
  struct Line {
    std::vector<detail::Bytes> held;
    std::size_t held_bytes = 0;
    bool on_hold = false;
    bool forgotten = false;  ///< by its sender, or by its receiver in the other direction
    std::uint64_t sent = 0;
    std::uint64_t received = 0;
  };
  struct Place {
    std::vector<Incoming> inbox;
    std::vector<BrokenPeer> broken;
    bool dead = false;
  };

  Impl(std::size_t ranks, Rank the_root) : root(the_root), places(ranks), lines(ranks * ranks) {}
  Place& place(Rank rank) { return places.at(static_cast<std::size_t>(raw(rank))); }
  Line& line(Rank from, Rank to) {
    return lines.at(static_cast<std::size_t>(raw(from)) * places.size() + static_cast<std::size_t>(raw(to)));
  }

  const Rank root;
  std::mutex mutex;
  std::vector<Place> places;
  std::vector<Line> lines;
};

class LoopNetwork::Member final : public Transport {
 public:
  Member(std::shared_ptr<Impl> network, Rank own) : network_(std::move(network)), own_(own) {}

  [[nodiscard]] Rank rank() const override { return own_; }
  [[nodiscard]] Rank root() const override { return network_->root; }
  [[nodiscard]] int size() const override { return static_cast<int>(network_->places.size()); }

  void send(Rank to, detail::Bytes message) override {
    const std::lock_guard lock(network_->mutex);
    Impl::Line& line = network_->line(own_, to);
    if (line.forgotten || network_->place(own_).dead) return;
    ++line.sent;
    if (line.on_hold) {
      line.held_bytes += message.size();
      line.held.push_back(std::move(message));
    } else if (!network_->place(to).dead) {
      network_->place(to).inbox.push_back({own_, std::move(message)});
    }
  }
  bool poll(std::vector<Incoming>& arrived) override {
    const std::lock_guard lock(network_->mutex);
    Impl::Place& place = network_->place(own_);
    bool any = !place.broken.empty();
    for (auto& message : std::exchange(place.inbox, {})) {
      if (network_->line(own_, message.from).forgotten) continue;
      ++network_->line(message.from, own_).received;
      arrived.push_back(std::move(message));
      any = true;
    }
    return any;
  }
  std::vector<BrokenPeer> take_broken() override {
    const std::lock_guard lock(network_->mutex);
    return std::exchange(network_->place(own_).broken, {});
  }
  void forget(Rank peer) override {
    const std::lock_guard lock(network_->mutex);
    Impl::Line& line = network_->line(own_, peer);
    line.forgotten = true;
    line.held.clear();
    line.held_bytes = 0;
  }
  [[nodiscard]] std::size_t unsent() const override {
    const std::lock_guard lock(network_->mutex);
    std::size_t bytes = 0;
    for (std::int32_t to = 0; to < size(); ++to) bytes += network_->line(own_, Rank{to}).held_bytes;
    return bytes;
  }
  [[nodiscard]] std::size_t unsent_to(Rank peer) const override {
    const std::lock_guard lock(network_->mutex);
    return network_->line(own_, peer).held_bytes;
  }
  [[nodiscard]] bool busy() const override { return unsent() != 0; }
  [[nodiscard]] std::uint64_t sent_to(Rank peer) const override {
    const std::lock_guard lock(network_->mutex);
    return network_->line(own_, peer).sent;
  }
  [[nodiscard]] std::uint64_t received_from(Rank peer) const override {
    const std::lock_guard lock(network_->mutex);
    return network_->line(peer, own_).received;
  }

 private:
  const std::shared_ptr<Impl> network_;
  const Rank own_;
};

LoopNetwork::LoopNetwork(int ranks, Rank root) : impl_(std::make_shared<Impl>(static_cast<std::size_t>(ranks), root)) {}
LoopNetwork::~LoopNetwork() = default;

std::unique_ptr<Transport> LoopNetwork::transport(Rank rank) { return std::make_unique<Member>(impl_, rank); }

void LoopNetwork::kill(Rank rank) {
  const std::lock_guard lock(impl_->mutex);
  impl_->place(rank).dead = true;
  impl_->place(rank).inbox.clear();
}

void LoopNetwork::hold(Rank from, Rank to) {
  const std::lock_guard lock(impl_->mutex);
  impl_->line(from, to).on_hold = true;
}

void LoopNetwork::release(Rank from, Rank to) {
  const std::lock_guard lock(impl_->mutex);
  Impl::Line& line = impl_->line(from, to);
  line.on_hold = false;
  line.held_bytes = 0;
  for (auto& message : std::exchange(line.held, {})) {
    if (!impl_->place(to).dead) impl_->place(to).inbox.push_back({from, std::move(message)});
  }
}

void LoopNetwork::break_between(Rank one, Rank other, const std::string& how) {
  const std::lock_guard lock(impl_->mutex);
  impl_->line(one, other).forgotten = impl_->line(other, one).forgotten = true;
  impl_->place(one).broken.push_back({other, how});
  impl_->place(other).broken.push_back({one, how});
}

}  // namespace rankpool::test
