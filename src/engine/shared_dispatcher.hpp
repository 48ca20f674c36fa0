#pragma once

#include "base/ids.hpp"
#include "engine/mailbox.hpp"
#include "engine/shared_store.hpp"
#include "engine/workers.hpp"

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace rankpool::engine {

/// The shared state's side of the dispatcher: turns the requests of workers (their side streams) and of rank 0's
/// threads (commands) into the SharedStore's events, and its actions into replies. Engine thread.
class SharedDispatcher {
 public:
  using Time = SharedStore::Time;

  explicit SharedDispatcher(Workers& workers)
      : workers_(workers), store_([&workers](WorkerId worker) { return workers.leases(worker); }) {}

  void handle(MakeSharedValue& command) { store_.made(command.id, std::move(command.value)); }
  void handle(MakeSharedQueue& command) { store_.made_queue(command.id, command.maxsize); }
  void handle(MakeSharedBlob& command) { store_.made(command.id, std::move(command.blob)); }
  void handle(ForgetShared& command) { store_.forgotten(command.id); }
  void handle(CallShared& command);
  void worker_side_output(WorkerId worker, std::span<const std::byte> bytes);
  void worker_gone(WorkerId worker) { store_.client_gone(worker); }

  void tick(Time now);
  [[nodiscard]] std::optional<Time> next_deadline() const { return store_.next_deadline(); }
  /// Carries out what the store has decided. True if there was anything.
  bool carry_out();
  /// Whoever waits for a reply gets this, and so does who calls later.
  void end(const std::string& why);

 private:
  void execute(SendReply& action);
  void execute(GiveBlob& action);
  void execute(const ForgetAtWorker& action);
  void execute(const ForgetBlob& action);

  Workers& workers_;
  SharedStore store_;
  std::map<std::uint64_t, std::shared_ptr<SharedCaller>> callers_;  ///< threads of rank 0 that wait for a reply
  std::uint64_t next_call_ = 1;
  std::vector<SharedAction> actions_;
  std::optional<std::string> ended_;  ///< why there is no shared state any more
  Time now_{0};                       ///< as of the last tick
};

}  // namespace rankpool::engine
