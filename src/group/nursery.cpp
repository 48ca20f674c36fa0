#include "group/nursery.hpp"

#include "group/environment.hpp"
#include "group/pmix_server.hpp"
#include "wire/frame_headers.hpp"

#include <sys/prctl.h>
#include <unistd.h>
#include <exception>
#include <optional>
#include <string>

namespace rankpool::group {
namespace {

using wire::NurseryWord;

void say(worker::FrameLine& line, const wire::NurseryHeader& header, std::span<const std::byte> payload = {}) {
  line.send(header.frame(payload.size()), payload);
}

PmixEvents events_to(worker::FrameLine& line) {
  PmixEvents events;
  events.fence = [&line](std::uint32_t number, std::span<const std::byte> own_part) {
    say(line, {NurseryWord::fence, number}, own_part);
  };
  events.data_wanted = [&line](std::uint32_t number, std::uint32_t rank) {
    say(line, {NurseryWord::data_wanted, number, rank});
  };
  events.aborted = [&line](std::uint32_t rank, int status) {
    say(line, {.word = NurseryWord::aborted, .rank = rank, .status = status});
  };
  return events;
}

/// Starts the server and tells the engine what its processes need to find it.
PmixServer start(const wire::GroupPlan& plan, worker::FrameLine& line) {
  const auto& folders = keeper::Folders::own();
  PmixServer server(plan, folders, events_to(line));
  auto environments = server.environments();
  const auto settings = open_mpi_settings(plan, folders.shared_memory);
  for (auto& variables : environments) variables.insert(variables.end(), settings.begin(), settings.end());
  say(line, {NurseryWord::environments}, wire::encode(environments));
  return server;
}

[[noreturn]] void serve(PmixServer& server, worker::FrameLine& line) {
  while (true) {
    const auto frame = line.receive();
    if (frame.header.kind != wire::FrameKind::nursery) ::_exit(70);
    const auto header = wire::NurseryHeader::of(frame.header);
    const auto number = static_cast<std::uint32_t>(header.number);
    switch (header.word) {
      case NurseryWord::fence_done:
        server.finish_fence(number, frame.payload);
        break;
      case NurseryWord::answer:
        server.finish_question(number, frame.payload);
        break;
      case NurseryWord::asked: {
        const wire::NurseryHeader answer{.word = NurseryWord::data, .number = number, .node = header.node};
        server.ask(static_cast<std::uint32_t>(header.rank),
                   [&line, answer](std::span<const std::byte> data) { say(line, answer, data); });
        break;
      }
      default:
        ::_exit(70);
    }
  }
}

}  // namespace

void serve_group(std::span<const std::byte> plan, worker::FrameLine& line) {
  ::prctl(PR_SET_NAME, "rankpool-pmix");
  try {
    PmixServer server = start(wire::decode_plan(plan), line);
    serve(server, line);
  } catch (const std::exception& e) {
    const std::string why = e.what();
    say(line, {NurseryWord::failed}, std::as_bytes(std::span(why)));
    while (true) ::pause();  // the engine ends it
  }
}

}  // namespace rankpool::group
