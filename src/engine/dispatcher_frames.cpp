#include "base/log.hpp"
#include "engine/dispatcher.hpp"

#include <rankpool/detail/exception_codec.hpp>

#include <csignal>

namespace rankpool::engine {
namespace {

/// The text of an encoded exception, with its type.
std::string describe(std::span<const std::byte> encoded) {
  const std::exception_ptr error = detail::decode_exception(encoded);
  try {
    std::rethrow_exception(error);
  } catch (const std::exception& e) {
    return e.what();
  } catch (...) {
    return "an exception that has no text";
  }
}

}  // namespace

void Dispatcher::worker_output(WorkerId id, std::span<const std::byte> bytes) {
  auto* const slot = workers_.find(raw(id));
  if (slot == nullptr || (*slot)->given_up) return;
  Worker& worker = **slot;
  bool sensible = true;
  const bool readable = worker.reader.feed(
      bytes, [&](const wire::FrameHeader& header, std::span<const std::byte> payload, detail::Bytes* owned) {
        if (sensible) sensible = handle_frame(id, worker, header, payload, owned);
      });
  if (readable && sensible) return;
  give_up(id, worker);
}

void Dispatcher::give_up(WorkerId id, Worker& worker) {
  // Its memory is not to be trusted any more: it ends like any other worker that dies, and is told so.
  base::log_error("worker " + std::to_string(raw(id)) + " sent what makes no sense; it is killed");
  worker.given_up = true;
  if (RankPort* const port = port_to(*worker.at)) port->kill(id, SIGKILL);
}

bool Dispatcher::handle_frame(WorkerId id, Worker& worker, const wire::FrameHeader& header,
                              std::span<const std::byte> payload, detail::Bytes* owned) {
  switch (header.kind) {
    case wire::FrameKind::ready:
      if (worker.ready) return false;
      worker.ready = true;
      scheduler_.worker_ready(id);
      update_alive(*worker.pool);
      {
        const std::lock_guard lock(worker.pool->mutex);
        ++worker.pool->ready;
      }
      worker.pool->changed.notify_all();
      return true;
    case wire::FrameKind::init_failed: {
      Loss loss = loss_of(id, worker);
      loss.text = "the initializer failed in worker " + std::to_string(loss.worker) + " (rank " +
                  std::to_string(loss.rank) + " on " + loss.host + ", pid " + std::to_string(loss.pid) +
                  "): " + describe(payload);
      scheduler_.initializer_failed(id, note(std::move(loss)));
      return true;
    }
    case wire::FrameKind::began:
      scheduler_.item_began(id);
      return true;
    case wire::FrameKind::values:
    case wire::FrameKind::value:
    case wire::FrameKind::error:
    case wire::FrameKind::skipped:
      return handle_outcome(id, worker, header, payload, owned);
    default:
      return false;
  }
}

bool Dispatcher::handle_outcome(WorkerId id, Worker& worker, const wire::FrameHeader& header,
                                std::span<const std::byte> payload, detail::Bytes* owned) {
  if (worker.chunks.empty()) return false;
  Assigned& current = worker.chunks.front();
  const bool one = header.kind == wire::FrameKind::value || header.kind == wire::FrameKind::error;
  if (header.chunk != raw(current.chunk) || header.first != current.ended ||
      header.count > current.count - current.ended || (one && header.count != 1) ||
      (header.kind == wire::FrameKind::values && header.count != 0 && payload.size() % header.count != 0)) {
    return false;
  }
  const std::uint64_t first = current.first + header.first;
  if (detail::Sink* const sink = sink_of(current.work); sink != nullptr && header.count != 0) {
    const auto take = [&] { return owned != nullptr ? std::move(*owned) : detail::Bytes(payload); };
    if (header.kind == wire::FrameKind::values) {
      sink->values(first, header.count, payload);
    } else if (header.kind == wire::FrameKind::value) {
      sink->value(first, take());
    } else if (header.kind == wire::FrameKind::error) {
      sink->error(first, take());
    } else {
      sink->skipped(first, header.count);
    }
  }
  current.ended += header.count;
  if (header.count != 0) scheduler_.items_ended(id, header.count);
  if (header.flags == wire::FrameFlag::last) {
    if (current.ended != current.count) return false;
    worker.chunks.erase(worker.chunks.begin());
    scheduler_.chunk_done(id, schedule::Nanoseconds(static_cast<std::int64_t>(header.extra)));
  }
  return true;
}

}  // namespace rankpool::engine
