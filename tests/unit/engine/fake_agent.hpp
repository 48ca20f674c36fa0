#pragma once

#include "liveness/lifeline.hpp"
#include "support/loop_network.hpp"
#include "wire/messages.hpp"

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace rankpool::engine {

/// A rank that says what the test lets it say. Its messages go over a LoopNetwork, its lifeline over real sockets.
class FakeAgent {
 public:
  FakeAgent(test::LoopNetwork& network, Rank rank) : rank_(rank), transport_(network.transport(rank)) {}

  /// What has come since the last call of this. Views in it are valid until the next.
  const std::vector<wire::Message>& taken() {
    envelopes_.clear();
    messages_.clear();
    transport_->poll(envelopes_);
    for (const auto& envelope : envelopes_) {
      wire::EnvelopeReader reader(envelope.bytes);
      while (auto message = reader.next()) messages_.push_back(*message);
    }
    return messages_;
  }
  template <class Kind>
  std::vector<Kind> taken_of() {
    std::vector<Kind> found;
    for (const auto& message : taken()) {
      if (const auto* one = std::get_if<Kind>(&message)) found.push_back(*one);
    }
    return found;
  }
  /// Takes the invitation and connects.
  void accept() {
    const auto welcomes = taken_of<wire::Welcome>();
    if (welcomes.size() != 1) throw std::runtime_error("no invitation");
    liveness::Invitation invitation;
    invitation.addresses = welcomes[0].addresses;
    invitation.port = welcomes[0].port;
    std::copy(welcomes[0].token.begin(), welcomes[0].token.end(), invitation.token.begin());
    lifeline.emplace(rank_, invitation, liveness::LifelineOptions{});
  }
  void greet(std::uint64_t build = 1, const std::string& host = "node") {
    wire::Hello hello;
    hello.build = build;
    hello.host = host + std::to_string(raw(rank_));
    hello.pid = 100 + raw(rank_);
    hello.workers = 2;
    hello.cores = {0, 1};
    hello.core_limit = 2;
    say(hello);
  }
  void join() {
    accept();
    greet();
  }
  /// As a rank of rank 0's node that shares its memory.
  void join_as_neighbour(const std::string& host) {
    accept();
    wire::Hello hello;
    hello.build = 1;
    hello.host = host;
    hello.pid = 100 + raw(rank_);
    hello.workers = 2;
    hello.has_root_page = true;
    say(hello);
  }
  void say(const wire::Message& message) {
    detail::Bytes bytes;
    wire::append(bytes, message);
    transport_->send(transport_->root(), std::move(bytes));
  }
  [[nodiscard]] transport::Transport& transport() { return *transport_; }

  std::optional<liveness::Lifeline> lifeline;

 private:
  Rank rank_;
  std::unique_ptr<transport::Transport> transport_;
  std::vector<transport::Incoming> envelopes_;
  std::vector<wire::Message> messages_;
};

}  // namespace rankpool::engine
