#pragma once

#include "parallel/options.hpp"

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <boost/serialization/string.hpp>
#include <boost/serialization/utility.hpp>
#include <boost/serialization/vector.hpp>

/// What goes to workers and comes back.
namespace rankpool::parallel {

/// The same for all commands of a run.
struct CommandSettings {
  std::string shell;
  std::vector<std::pair<std::string, std::string>> env;  ///< set for each command
  std::vector<std::string> unset;                        ///< taken away
  std::string tmpdir;                                    ///< empty: each node's own $TMPDIR
  std::string workdir;                                   ///< empty: where rankpool-parallel was started
  OutputMode output = OutputMode::group;
  double timeout = 0;           ///< seconds; 0: none
  bool timeout_varies = false;  ///< a percentage: a Value has the limit
  bool tell_rank = false;       ///< a piece of no stream tells where a command runs

  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    archive& shell& env& unset& tmpdir& workdir& output& timeout& timeout_varies& tell_rank;
  }
};

struct Command {
  std::uint64_t seq = 0;
  std::uint32_t attempt = 0;
  int slot = 0;
  std::string text;
  bool has_block = false;
  std::string block;  ///< its standard input

  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    archive& seq& attempt& slot& text& has_block& block;
  }
};

/// How a command ended, as the joblog has it.
struct CommandEnd {
  int exit_code = 0;  ///< -1: ended by rankpool-parallel
  int signal = 0;
  double start = 0;            ///< seconds since 1970
  double runtime = 0;          ///< seconds
  std::uint64_t received = 0;  ///< bytes of standard output
  std::string host;
  int rank = 0;

  /// 0 if it ended well; else as a shell tells it.
  [[nodiscard]] int status() const { return signal != 0 && exit_code == 0 ? 128 + signal : exit_code; }

  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    archive& exit_code& signal& start& runtime& received& host& rank;
  }
};

/// A command's end with what it printed, or with the rest of it: what is much comes before, in pieces.
struct CommandResult {
  CommandEnd end;
  std::string out;
  std::string err;
  std::uint64_t pieces = 0;  ///< so many came before

  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    archive& end& out& err& pieces;
  }
};

/// Part of what a command prints, on its way to rank 0 before the command's result.
struct Piece {
  std::uint64_t seq = 0;
  std::uint32_t attempt = 0;
  int stream = 1;  ///< 1 or 2; 0: `bytes` is the rank that the command runs on
  std::string bytes;

  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    archive& seq& attempt& stream& bytes;
  }
};

}  // namespace rankpool::parallel
