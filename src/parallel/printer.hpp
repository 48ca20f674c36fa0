#pragma once

#include "parallel/command.hpp"
#include "parallel/options.hpp"
#include "parallel/spool.hpp"

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <string_view>

namespace rankpool::parallel {

/// Shows what commands print: each one's whole when it has ended, or its lines as they come; in the order in which
/// they began with `-k`. Keeps what is not yet to be shown in a Spool. Used by one thread.
class Printer {
 public:
  struct Ends {
    int out = 1;
    int err = 2;
  };
  Printer(const Options& options, std::string spool_folder, Ends ends)
      : options_(options), spool_(std::move(spool_folder)), ends_(ends) {}

  /// A command begins, for the first time or again: what an earlier attempt has printed is forgotten. `head`: a line
  /// before its output, or nothing.
  void started(std::uint64_t seq, std::string tag, std::string_view head);
  void printed(std::uint64_t seq, int stream, std::string_view bytes);
  /// Its output is complete.
  void finished(std::uint64_t seq);
  /// It is not run again: what it has printed is not shown.
  void dropped(std::uint64_t seq);
  /// What a command has printed to a stream, until `finished`; with --results.
  [[nodiscard]] const Spool::Stream& held(std::uint64_t seq, int stream) const;

  /// Writes what is to be shown by now.
  void flush();
  /// Nobody reads standard output any more.
  [[nodiscard]] bool reader_gone() const { return reader_gone_; }

 private:
  struct Entry {
    std::string tag;
    Spool::Stream out;
    Spool::Stream err;
    bool finished = false;
    bool out_at_line_start = true;
    bool err_at_line_start = true;
  };
  [[nodiscard]] bool may_show(std::uint64_t seq) const;
  void show(Entry& entry, int stream, std::string_view bytes);
  void show_held(Entry& entry);
  void advance();

  const Options& options_;
  Spool spool_;
  Ends ends_;
  std::map<std::uint64_t, Entry> entries_;
  std::deque<std::uint64_t> order_;  ///< with -k: those that have begun and are not wholly shown
  std::string buffer_;               ///< of standard output
  bool reader_gone_ = false;
};

}  // namespace rankpool::parallel
