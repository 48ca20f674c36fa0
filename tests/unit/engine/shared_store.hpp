#pragma once

#include "base/pace.hpp"
#include "engine/shared_store.hpp"

#include <rankpool/detail/bytes.hpp>

#include <gtest/gtest.h>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace rankpool::engine {

using wire::SharedOp;
using wire::SharedStatus;

inline constexpr WorkerId kA{1};
inline constexpr WorkerId kB{2};
inline constexpr std::uint64_t kObject = 7;

struct Answer {
  Client client;
  std::uint64_t number = 0;
  SharedStatus status{};
  std::string body;
};

/// A store that is asked as workers and threads of rank 0 ask it.
class Store : public testing::Test {
 protected:
  template <class T>
  static std::string bytes(const T& value) {
    return {reinterpret_cast<const char*>(&value), sizeof value};
  }
  /// Asks, and gives the number of the call.
  std::uint64_t ask(Client client, SharedOp op, const std::string& body = {}, std::int64_t number = 0,
                    std::uint64_t thread = 1, std::uint64_t id = kObject) {
    wire::SharedRequest header;
    header.op = op;
    header.id = id;
    header.thread = thread;
    header.number = number;
    detail::Bytes request(std::as_bytes(std::span(&header, 1)));
    request.append(body.data(), body.size());
    store.called({client, ++last}, request, now);
    return last;
  }
  std::uint64_t lock(Client client, std::int64_t limit = -1, std::uint64_t thread = 1) {
    return ask(client, SharedOp::lock, {}, limit, thread);
  }
  void make(long value = 5) { store.made(kObject, detail::Bytes(std::as_bytes(std::span(&value, 1)))); }
  /// The replies since the last call of this.
  std::vector<Answer> answers() {
    std::vector<SharedAction> actions;
    store.take_actions(actions);
    std::vector<Answer> all;
    for (auto& action : actions) {
      auto* const reply = std::get_if<SendReply>(&action);
      if (reply == nullptr) {
        others.push_back(std::move(action));
        continue;
      }
      auto rest = reply->reply.view();
      const auto status = *wire::take_plain<SharedStatus>(rest);
      all.push_back(
          {reply->to.client, reply->to.number, status, {reinterpret_cast<const char*>(rest.data()), rest.size()}});
    }
    return all;
  }
  std::optional<SharedStatus> status_of(std::uint64_t call) {
    for (const auto& answer : answers()) {
      if (answer.number == call) return answer.status;
    }
    return std::nullopt;
  }
  /// Past all that is kept for anybody.
  void pass_time(SharedStore::Time time = pace::kLockKept) { store.tick(now += time); }

  SharedStore store;
  SharedStore::Time now{1000};
  std::uint64_t last = 0;
  std::vector<SharedAction> others;
};

}  // namespace rankpool::engine
