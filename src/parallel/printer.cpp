#include "parallel/printer.hpp"

#include "parallel/spool_file.hpp"

#include <cerrno>
#include <system_error>
#include <utility>

namespace rankpool::parallel {
namespace {

constexpr std::size_t kBuffer = 64 * 1024;

}  // namespace

bool Printer::may_show(std::uint64_t seq) const {
  return options_.output != OutputMode::group && options_.results.empty() && options_.tries == 1 &&
         (!options_.keep_order || order_.front() == seq);
}

void Printer::started(std::uint64_t seq, std::string tag, std::string_view head) {
  const auto [place, first] = entries_.try_emplace(seq);
  if (first && options_.keep_order) order_.push_back(seq);
  Entry& entry = place->second;
  entry = Entry{};
  entry.tag = std::move(tag);
  printed(seq, 1, head);
}

void Printer::printed(std::uint64_t seq, int stream, std::string_view bytes) {
  if (bytes.empty()) return;
  const auto found = entries_.find(seq);
  if (found == entries_.end()) return;
  Entry& entry = found->second;
  if (may_show(seq)) {
    show(entry, stream, bytes);
  } else {
    (stream == 1 ? entry.out : entry.err).append(spool_, bytes);
  }
}

void Printer::finished(std::uint64_t seq) {
  const auto found = entries_.find(seq);
  if (found == entries_.end()) return;
  found->second.finished = true;
  if (options_.keep_order) {
    advance();
  } else {
    show_held(found->second);
    entries_.erase(found);
  }
}

void Printer::dropped(std::uint64_t seq) {
  const auto found = entries_.find(seq);
  if (found == entries_.end()) return;
  found->second = Entry{};
  finished(seq);
}

void Printer::advance() {
  while (!order_.empty()) {
    const auto first = entries_.find(order_.front());
    if (first->second.finished || may_show(first->first)) show_held(first->second);
    if (!first->second.finished) return;
    entries_.erase(first);
    order_.pop_front();
  }
}

const Spool::Stream& Printer::held(std::uint64_t seq, int stream) const {
  static const Spool::Stream kNothing;
  const auto found = entries_.find(seq);
  if (found == entries_.end()) return kNothing;
  return stream == 1 ? found->second.out : found->second.err;
}

void Printer::show_held(Entry& entry) {
  if (options_.results.empty()) {
    entry.out.read([&](std::string_view bytes) { show(entry, 1, bytes); });
    entry.err.read([&](std::string_view bytes) { show(entry, 2, bytes); });
  }
  entry.out.clear();
  entry.err.clear();
}

void Printer::show(Entry& entry, int stream, std::string_view bytes) {
  std::string text;
  bool& at_line_start = stream == 1 ? entry.out_at_line_start : entry.err_at_line_start;
  if (options_.tag) {
    while (!bytes.empty()) {
      if (std::exchange(at_line_start, false)) text += entry.tag + "\t";
      const auto end = bytes.find('\n');
      const auto line = bytes.substr(0, end == std::string_view::npos ? end : end + 1);
      text += line;
      at_line_start = end != std::string_view::npos;
      bytes.remove_prefix(line.size());
    }
    bytes = text;
  }
  if (stream == 1) {
    buffer_ += bytes;
    if (buffer_.size() >= kBuffer) flush();
    return;
  }
  try {
    write_fully(ends_.err, bytes.data(), bytes.size());
  } catch (const std::system_error&) {
    // Nobody is left to be told.
  }
}

void Printer::flush() {
  if (!buffer_.empty() && !reader_gone_) {
    try {
      write_fully(ends_.out, buffer_.data(), buffer_.size());
    } catch (const std::system_error& e) {
      if (e.code().value() != EPIPE) throw std::system_error(e.code(), "cannot write standard output");
      reader_gone_ = true;
    }
  }
  buffer_.clear();
}

}  // namespace rankpool::parallel
