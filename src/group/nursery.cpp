#include "group/nursery.hpp"

#include "group/environment.hpp"
#include "group/pmix_server.hpp"
#include "wire/group.hpp"

#include <sys/prctl.h>
#include <unistd.h>
#include <exception>
#include <optional>
#include <string>

namespace rankpool::group {
namespace {

using wire::NurseryWord;

wire::FrameHeader header_of(NurseryWord word, std::uint64_t number = 0) {
  wire::FrameHeader header;
  header.kind = wire::FrameKind::nursery;
  header.count = static_cast<std::uint32_t>(word);
  header.chunk = number;
  return header;
}

PmixEvents events_to(worker::FrameLine& line) {
  PmixEvents events;
  events.fence = [&line](std::uint32_t number, std::span<const std::byte> own_part) {
    line.send(header_of(NurseryWord::fence, number), own_part);
  };
  events.data_wanted = [&line](std::uint32_t number, std::uint32_t rank) {
    wire::FrameHeader header = header_of(NurseryWord::data_wanted, number);
    header.first = rank;
    line.send(header, {});
  };
  events.aborted = [&line](std::uint32_t rank, int status) {
    wire::FrameHeader header = header_of(NurseryWord::aborted);
    header.first = rank;
    header.extra = static_cast<std::uint64_t>(status);
    line.send(header, {});
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
  line.send(header_of(NurseryWord::environments), wire::encode(environments));
  return server;
}

[[noreturn]] void serve(PmixServer& server, worker::FrameLine& line) {
  while (true) {
    const auto frame = line.receive();
    if (frame.header.kind != wire::FrameKind::nursery) ::_exit(70);
    const auto number = static_cast<std::uint32_t>(frame.header.chunk);
    switch (static_cast<NurseryWord>(frame.header.count)) {
      case NurseryWord::fence_done:
        server.finish_fence(number, frame.payload);
        break;
      case NurseryWord::answer:
        server.finish_question(number, frame.payload);
        break;
      case NurseryWord::asked: {
        wire::FrameHeader header = header_of(NurseryWord::data, number);
        header.first = frame.header.extra;
        server.ask(static_cast<std::uint32_t>(frame.header.first),
                   [&line, header](std::span<const std::byte> data) { line.send(header, data); });
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
  forget_launcher();
  try {
    PmixServer server = start(wire::decode_plan(plan), line);
    serve(server, line);
  } catch (const std::exception& e) {
    const std::string why = e.what();
    line.send(header_of(NurseryWord::failed), std::as_bytes(std::span(why)));
    while (true) ::pause();  // the engine ends it
  }
}

}  // namespace rankpool::group
