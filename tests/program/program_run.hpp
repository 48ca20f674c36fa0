#pragma once

#include "tools/started_program.hpp"

#include <gmock/gmock.h>

namespace rankpool::tools {

using Words = std::vector<std::string>;

struct Ended {
  int status = -1;
  std::string out;
  std::string err;
};

/// The words that start a program: bare with no ranks, else under mpirun. `mark` is made as soon as something is up.
inline Words launch_words(int ranks, const std::string& mark, const Words& program) {
  Words words{"timeout", "-k", "5", "60"};
  if (ranks > 0) {
    for (const auto& word : {"mpirun", "--oversubscribe", "-n"}) words.emplace_back(word);
    for (const auto& word : {std::to_string(ranks), std::string(PROGRAM_STARTED), mark}) words.push_back(word);
  }
  words.insert(words.end(), program.begin(), program.end());
  return words;
}

/// Under root Open MPI wants to be asked twice. Where there is IPv6, Open MPI 5 finds fault with it on standard error.
inline Words with_settings(Words variables) {
  for (const char* const setting :
       {"OMPI_ALLOW_RUN_AS_ROOT=1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1", "OMPI_MCA_btl_tcp_disable_family=6"}) {
    variables.emplace_back(setting);
  }
  return variables;
}

/// Runs a program to its end; nothing of it may be left 2 s later. `meanwhile` is called while it runs.
inline Ended run(int ranks, const Words& program, const Words& variables = {}, const std::string& input = "",
                 const std::function<void()>& meanwhile = {}) {
  for (int attempt = 0;; ++attempt) {
    const Folder folder;
    StartedProgram started(launch_words(ranks, folder / "started", program), with_settings(variables), input);
    if (meanwhile) meanwhile();
    const auto status = started.await(75s);
    // About one mpirun in a hundred does not come up, whatever it is to start.
    if (ranks > 0 && !std::filesystem::exists(folder / "started") && attempt == 0) {
      std::cerr << "mpirun started nothing; once more\n";
      continue;
    }
    EXPECT_TRUE(until([&] { return started.remains().empty(); }, 2s)) << "processes are left";
    EXPECT_TRUE(status) << "no end";
    return {status.value_or(-1), started.out(), started.err()};
  }
}

inline int times(const std::string& text, const std::string& word) {
  int count = 0;
  for (auto at = text.find(word); at != std::string::npos; at = text.find(word, at + 1)) ++count;
  return count;
}

/// One test for each way to start: 0 is bare.
class Launched : public testing::TestWithParam<int> {
 protected:
  Folder folder;
};

inline std::string name_of_launch(const testing::TestParamInfo<int>& ranks) {
  return ranks.param == 0 ? "bare" : "mpirun_" + std::to_string(ranks.param);
}

}  // namespace rankpool::tools
