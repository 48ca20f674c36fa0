#include "engine/shared_dispatcher.hpp"

#include "wire/frame_headers.hpp"

#include <utility>

namespace rankpool::engine {

void SharedDispatcher::tick(Time now) {
  now_ = now;
  store_.tick(now);
}

void SharedDispatcher::handle(CallShared& command) {
  if (ended_) return command.caller->fail(*ended_);
  const SharedCall call{std::nullopt, next_call_++};
  const auto& caller = *(callers_[call.number] = std::move(command.caller));
  store_.called(call, caller.request(), now_);
}

void SharedDispatcher::worker_side_output(WorkerId id, std::span<const std::byte> bytes) {
  Worker* const worker = workers_.find(id);
  if (worker == nullptr || worker->given_up) return;
  bool sensible = true;
  const bool readable = worker->side_reader.feed(
      bytes, [&](const wire::FrameHeader& header, std::span<const std::byte> payload, detail::Bytes*) {
        sensible = sensible && header.kind == wire::FrameKind::request;
        if (sensible) store_.called({id, wire::CallHeader::of(header).number}, payload, now_);
      });
  if (!readable || !sensible) workers_.give_up(id, *worker);
}

bool SharedDispatcher::carry_out() {
  store_.take_actions(actions_);
  for (auto& action : actions_) {
    std::visit([&](auto& a) { execute(a); }, action);
  }
  return !actions_.empty();
}

void SharedDispatcher::execute(SendReply& action) {
  if (!action.to.client) {
    const auto caller = callers_.extract(action.to.number);
    if (!caller.empty()) caller.mapped()->answer(std::move(action.reply));
    return;
  }
  RankPort* const port = workers_.port_to(*action.to.client);
  if (port == nullptr) return;
  const auto header = wire::CallHeader{wire::FrameKind::reply, action.to.number}.frame(action.reply.size());
  detail::Bytes frame(std::as_bytes(std::span(&header, 1)));
  frame.append(action.reply.data(), action.reply.size());
  port->write_side(*action.to.client, frame);
}

void SharedDispatcher::execute(GiveBlob& action) {
  if (!action.to.client) return;  // rank 0 has what it broadcasts
  RankPort* const port = workers_.port_to(*action.to.client);
  if (port != nullptr) port->give_blob(*action.to.client, action.to.number, action.id, std::move(action.blob));
}

void SharedDispatcher::execute(const ForgetAtWorker& action) {
  RankPort* const port = workers_.port_to(action.worker);
  if (port == nullptr) return;
  const auto header = wire::CallHeader{wire::FrameKind::forget, action.id}.frame(0);
  port->write_side(action.worker, std::as_bytes(std::span(&header, 1)));
}

void SharedDispatcher::execute(const ForgetBlob& action) {
  workers_.for_each_port([&](RankPort& port) { port.forget_blob(action.id); });
}

void SharedDispatcher::end(const std::string& why) {
  if (!ended_) ended_ = why;
  for (const auto& [number, caller] : callers_) caller->fail(why);
  callers_.clear();
}

}  // namespace rankpool::engine
