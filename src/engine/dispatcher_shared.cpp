#include "engine/dispatcher.hpp"

#include <algorithm>
#include <utility>

namespace rankpool::engine {

void Dispatcher::tick(schedule::Time now) {
  now_ = now;
  scheduler_.tick(now);
  shared_.tick(now);
}

std::optional<schedule::Time> Dispatcher::next_deadline() const {
  const auto scheduled = scheduler_.next_deadline();
  const auto shared = shared_.next_deadline();
  if (scheduled && shared) return std::min(*scheduled, *shared);
  return scheduled ? scheduled : shared;
}

void Dispatcher::worker_side_output(WorkerId id, std::span<const std::byte> bytes) {
  auto* const slot = workers_.find(raw(id));
  if (slot == nullptr || (*slot)->given_up) return;
  Worker& worker = **slot;
  bool sensible = true;
  const bool readable = worker.side_reader.feed(
      bytes, [&](const wire::FrameHeader& header, std::span<const std::byte> payload, detail::Bytes*) {
        sensible = sensible && header.kind == wire::FrameKind::request;
        if (sensible) shared_.called({id, header.chunk}, payload, now_);
      });
  if (!readable || !sensible) give_up(id, worker);
}

void Dispatcher::handle_shared(CallShared& command) {
  if (failed_) return command.caller->fail("there is no shared state any more");
  const SharedCall call{std::nullopt, next_call_++};
  const auto& caller = *(callers_[call.number] = std::move(command.caller));
  shared_.called(call, caller.request(), now_);
}

bool Dispatcher::carry_out_shared() {
  shared_.take_actions(shared_actions_);
  for (auto& action : shared_actions_) {
    std::visit([&](auto& a) { execute(a); }, action);
  }
  return !shared_actions_.empty();
}

void Dispatcher::execute(SendReply& action) {
  if (!action.to.client) {
    const auto caller = callers_.extract(action.to.number);
    if (!caller.empty()) caller.mapped()->answer(std::move(action.reply));
    return;
  }
  auto* const slot = workers_.find(raw(*action.to.client));
  RankPort* const port = slot == nullptr ? nullptr : port_to(*(*slot)->at);
  if (port == nullptr) return;
  wire::FrameHeader header;
  header.kind = wire::FrameKind::reply;
  header.chunk = action.to.number;
  header.length = action.reply.size();
  detail::Bytes frame(std::as_bytes(std::span(&header, 1)));
  frame.append(action.reply.data(), action.reply.size());
  port->write_side(*action.to.client, frame);
}

void Dispatcher::execute(GiveBlob& action) {
  if (!action.to.client) return;  // rank 0 has what it broadcasts
  auto* const slot = workers_.find(raw(*action.to.client));
  RankPort* const port = slot == nullptr ? nullptr : port_to(*(*slot)->at);
  if (port != nullptr) port->give_blob(*action.to.client, action.to.number, action.id, std::move(action.blob));
}

void Dispatcher::execute(const ForgetAtWorker& action) {
  auto* const slot = workers_.find(raw(action.worker));
  RankPort* const port = slot == nullptr ? nullptr : port_to(*(*slot)->at);
  if (port == nullptr) return;
  wire::FrameHeader header;
  header.kind = wire::FrameKind::forget;
  header.chunk = action.id;
  port->write_side(action.worker, std::as_bytes(std::span(&header, 1)));
}

void Dispatcher::execute(const ForgetBlob& action) {
  for (auto& [rank, entry] : ranks_) {
    if (RankPort* const port = port_to(entry)) port->forget_blob(action.id);
  }
}

void Dispatcher::fail_shared_calls(const std::string& why) {
  for (const auto& [number, caller] : callers_) caller->fail(why);
  callers_.clear();
}

}  // namespace rankpool::engine
