#include "tools/arguments.hpp"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <cctype>

namespace rankpool::tools {
namespace {

constexpr const char* kDescription =
    R"(Usage: rankpool-run [-n RANKS] [--workers N] [--hostfile FILE] [launcher options] -- program args

Starts a rankpool program and returns the exit status of its rank 0, whatever died meanwhile; 128 + signal
if rank 0 was killed. Leaves no process behind.

Without -- the first argument that is no option begins the program. Options that rankpool-run does not know are
the launcher's, and need the --.)";

constexpr const char* kFooter =
    R"(What is started:
  --hostfile FILE     mpirun on these hosts, one rank on each; with -n so many ranks, spread over the hosts in turn
  in a Slurm job      srun on its nodes (mpirun if srun has no pmix plugin), one rank on each node with all the
                      cores that the job has there as workers: this is what scales best. With -n so many ranks;
                      without, but in a job that asked for more tasks than nodes, one rank for each task
  -n RANKS            mpirun on this machine; the ranks share its cores
  none of these       the program itself, on all cores of this machine, without MPI

SIGINT, SIGTERM, SIGHUP, SIGUSR1 and SIGUSR2 are handed on to the launcher; a second SIGINT ends it, a third kills it.

Exit status of rankpool-run's own errors: 2 usage, 126 program not executable, 127 program or launcher missing.

Examples:
  rankpool-run ./primes             on all cores of this machine
  rankpool-run -n 4 ./primes 1000   as four ranks
  rankpool-run --hostfile hosts --mca btl tcp,self -- ./primes   on other hosts, over TCP
  sbatch -N 2 --exclusive --wrap 'rankpool-run ./primes'         on two nodes of a Slurm cluster)";

/// The usual help without its line of usage, which knows nothing of launcher options.
struct Help : CLI::Formatter {
  Help() { column_width(28); }
  std::string make_usage(const CLI::App*, std::string) const override { return ""; }
};

/// The command line cut in three.
struct Parts {
  std::vector<std::string> own;
  std::vector<std::string> launcher;
  std::vector<std::string> program;
  bool separated = false;  ///< there was a --
};

bool takes_value(const CLI::Option& option) { return option.get_items_expected_max() > 0; }

Parts cut(const CLI::App& app, const std::vector<std::string>& arguments) {
  Parts parts;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const std::string& word = arguments[i] == "-np" ? "--np" : arguments[i];
    if (word == "--") {
      parts.separated = true;
      parts.program.assign(arguments.begin() + static_cast<std::ptrdiff_t>(i) + 1, arguments.end());
      return parts;
    }
    if (word.size() < 2 || word.front() != '-') {
      if (parts.launcher.empty()) {
        parts.program.assign(arguments.begin() + static_cast<std::ptrdiff_t>(i), arguments.end());
        return parts;
      }
      parts.launcher.push_back(word);
      continue;
    }
    const bool is_long = word[1] == '-';
    const bool attached = is_long ? word.find('=') != std::string::npos : word.size() > 2;
    const bool number = std::all_of(word.begin() + 2, word.end(), [](unsigned char c) { return std::isdigit(c) != 0; });
    // Several letters after one dash are a name to the launchers, -host; -n4 is ours.
    const CLI::Option* option = nullptr;
    if (is_long) option = app.get_option_no_throw(word.substr(0, word.find('=')));
    if (!is_long && number) option = app.get_option_no_throw(word.substr(0, 2));
    if (option == nullptr) {
      parts.launcher.push_back(word);
      continue;
    }
    parts.own.push_back(word);
    if (takes_value(*option) && !attached && i + 1 < arguments.size() && arguments[i + 1] != "--") {
      parts.own.push_back(arguments[++i]);
    }
  }
  return parts;
}

Leave complain(const std::string& text) {
  return {static_cast<int>(Status::usage), "rankpool-run: " + text + "\n(rankpool-run --help tells more)\n"};
}

}  // namespace

std::variant<Request, Leave> parse_arguments(const std::vector<std::string>& arguments) {
  Request request;
  Layout& layout = request.layout;
  std::string launcher = "auto";
  double grace = 5;
  bool dry_run = false;
  CLI::App app(kDescription, "rankpool-run");
  app.formatter(std::make_shared<Help>());
  app.footer(kFooter);
  app.set_version_flag("--version", "rankpool-run " RANKPOOL_VERSION);
  app.add_option("-n,--np,--ranks", layout.ranks, "Ranks (MPI processes), at least 1")->type_name("RANKS");
  app.add_option("--workers", layout.workers,
                 "Worker processes that each rank can hold; default: its share of its node's cores")
      ->type_name("N");
  app.add_option("--hostfile", layout.hostfile, "Open MPI host file: lines like \"node1 slots=4\"")->type_name("FILE");
  app.add_option("--launcher", launcher, "auto, mpirun, srun, or none (the program itself)")
      ->type_name("NAME")
      ->check(CLI::IsMember({"auto", "mpirun", "srun", "none"}));
  app.add_option("--grace", grace, "Seconds that the launcher has to end after rank 0 did; default 5")
      ->type_name("SECONDS");
  app.add_flag("--dry-run", dry_run, "Print the command and why it is the one, and start nothing");

  Parts parts = cut(app, arguments);
  std::vector<std::string> reversed(parts.own.rbegin(), parts.own.rend());
  try {
    app.parse(reversed);
  } catch (const CLI::CallForHelp&) {
    return Leave{0, app.help()};
  } catch (const CLI::CallForVersion&) {
    return Leave{0, "rankpool-run " RANKPOOL_VERSION "\n"};
  } catch (const CLI::ParseError& error) {
    return complain(error.what());
  }
  if (!parts.launcher.empty() && !parts.separated) {
    return complain("there is no option " + parts.launcher.front() +
                    "; if it is meant for the launcher, put -- before the program: "
                    "rankpool-run " +
                    parts.launcher.front() + " ... -- program");
  }
  if (parts.program.empty()) return complain("there is no program to start: rankpool-run [options] program args");
  if (!(grace >= 0 && grace <= 86'400)) return complain("--grace is a number of seconds from 0 to 86400");
  if (launcher == "mpirun") layout.launcher = Launcher::mpirun;
  if (launcher == "srun") layout.launcher = Launcher::srun;
  if (launcher == "none") layout.launcher = Launcher::bare;
  layout.launcher_options = std::move(parts.launcher);
  layout.program = std::move(parts.program);
  request.grace = std::chrono::milliseconds(static_cast<long>(grace * 1000));
  request.mode = dry_run ? Request::Mode::dry_run : Request::Mode::run;
  return request;
}

}  // namespace rankpool::tools
