#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

/// The command line of rankpool-parallel: GNU parallel's options, with their meaning there.
namespace rankpool::parallel {

/// How many commands run at a time on each node: `-j`.
struct Jobs {
  enum class Kind { all_cores, number, percent, more_than_cores, unlimited };
  Kind kind = Kind::all_cores;
  double value = 100;  ///< number; percent of the cores; cores more (or, below 0, fewer)
};

/// `--timeout`: a command that runs longer is ended.
struct TimeLimit {
  enum class Kind { seconds, percent_of_median };
  Kind kind = Kind::seconds;
  double value = 0;
};

/// `--halt`.
struct Halt {
  enum class When { never, soon, now };
  enum class What { fail, success, done };
  When when = When::never;
  What what = What::fail;
  double count = 0;  ///< so many, or so many per cent
  bool percent = false;
};

/// One of `:::`, `::::`, `-a` or standard input.
struct Source {
  enum class Kind { words, file };
  Kind kind = Kind::words;
  std::vector<std::string> words;
  std::string file;     ///< "-" is standard input
  bool linked = false;  ///< `:::+`, `::::+`: goes along with the source before it
};

enum class OutputMode : std::uint8_t {
  group,        ///< what a command prints comes when it has ended
  line_buffer,  ///< as whole lines while it runs
  ungroup,      ///< commands write where rankpool-parallel writes
};

/// Which commands that have a line in the joblog are run.
enum class Resume { no, rest, failed_too, force, retry_failed };

struct Options {
  std::vector<std::string> command;
  std::vector<Source> sources;
  bool plain = false;  ///< what the variable PARALLEL holds is left out

  // What arguments are made of.
  std::string delimiter = "\n";
  bool skip_blank = false;            ///< -r
  std::optional<std::string> colsep;  ///< an extended regular expression
  enum class Trim { none, left, right, both };
  std::optional<Trim> trim;
  bool header = false;
  bool link_all = false;         ///< --link: sources go in step, the shorter ones over again
  std::optional<int> max_args;   ///< -N, -n
  std::optional<int> max_lines;  ///< -L
  bool repeat_words = false;     ///< -N, -L: see Template::Rules
  bool shuffle = false;
  std::string replacement = "{}";  ///< -I
  bool quote = false;              ///< -q

  // Standard input in blocks.
  bool pipe = false;
  std::uint64_t block = 1 << 20;
  std::string record_end = "\n";

  // Running.
  Jobs jobs;
  int tries = 1;  ///< --retries
  std::optional<TimeLimit> timeout;
  Halt halt;
  double delay = 0;  ///< seconds between two starts
  std::string workdir;
  std::vector<std::string> env;  ///< names; "_" is the whole environment
  std::string tmpdir;
  std::string hostfile;
  std::optional<double> stop_before;  ///< seconds of the Slurm job's time limit that are left over
  bool give_back_idle_nodes = false;

  // Output.
  OutputMode output = OutputMode::group;
  bool keep_order = false;
  bool tag = false;
  std::string tag_text;  ///< --tagstring; empty: the arguments
  bool verbose = false;
  bool dry_run = false;
  std::string results;
  std::string joblog;
  Resume resume = Resume::no;
  enum class Progress { none, progress, bar, eta };
  Progress progress = Progress::none;
};

/// The program has nothing to run: text and exit status.
struct Leave {
  int status = 0;
  std::string text;
};

/// The exit status of rankpool-parallel's own errors.
inline constexpr int kOwnError = 255;

std::variant<Options, Leave> parse_options(const std::vector<std::string>& arguments);

/// "1.5", "90s", "10m", "2h", "1d", also one after the other ("1h30m"); nothing if it is none of these.
std::optional<double> parse_seconds(const std::string& text);
/// "100", "10k", "2M": powers of 1024, or of 1000 in lower case as GNU parallel has it.
std::optional<std::uint64_t> parse_size(const std::string& text);
std::optional<Jobs> parse_jobs(const std::string& text);
std::optional<Halt> parse_halt(const std::string& text);

/// How many commands a node with so many cores runs at a time; at least 1.
int jobs_on_node(const Jobs& jobs, int cores);

}  // namespace rankpool::parallel
