#include "tools/plan.hpp"

#include "launch/report.hpp"
#include "tools/hostfile.hpp"
#include "tools/shell_quote.hpp"
#include "tools/slurm_job.hpp"

#include <algorithm>
#include <charconv>
#include <initializer_list>

namespace rankpool::tools {
namespace {

/// What has been found out on the way to a plan.
struct Draft {
  const Layout& layout;
  const Surroundings& around;
  std::optional<SlurmJob> slurm;
  std::vector<HostSlots> hosts;
  Plan plan;
};

using Outcome = std::optional<Refusal>;

std::string plural(std::int64_t number, const std::string& thing) {
  return std::to_string(number) + " " + thing + (number == 1 ? "" : "s");
}

/// True if the user gives one of these options to the launcher, as `--name value` or `--name=value`.
bool user_gives(const Layout& layout, std::initializer_list<std::string> names) {
  return std::any_of(layout.launcher_options.begin(), layout.launcher_options.end(), [&](const std::string& option) {
    return std::any_of(names.begin(), names.end(),
                       [&](const std::string& name) { return option == name || option.starts_with(name + "="); });
  });
}

/// True if the user hands this variable on with `-x`.
bool user_exports(const Layout& layout, const std::string& name) {
  const auto& options = layout.launcher_options;
  for (std::size_t i = 0; i + 1 < options.size(); ++i) {
    if (options[i] == "-x" && (options[i + 1] == name || options[i + 1].starts_with(name + "="))) return true;
  }
  return false;
}

Outcome check_numbers(const Layout& layout) {
  if (layout.ranks && *layout.ranks < 1) {
    return Refusal{Status::usage, "-n " + std::to_string(*layout.ranks) + ": there must be at least 1 rank"};
  }
  if (layout.workers && *layout.workers < 1) {
    return Refusal{Status::usage,
                   "--workers " + std::to_string(*layout.workers) + ": each rank needs at least 1 worker"};
  }
  return std::nullopt;
}

Outcome check_not_nested(const Draft& draft) {
  const std::string advice =
      ": one job would start others, one for each of its ranks. Call rankpool-run once, outside of ";
  if (draft.around.variable("OMPI_COMM_WORLD_RANK")) {
    return Refusal{Status::usage, "this is already a rank of an mpirun" + advice + "mpirun; it starts mpirun itself"};
  }
  if (draft.slurm && draft.slurm->place == SlurmPlace::task) {
    return Refusal{Status::usage, "this is already a task of an srun step" + advice + "srun; it starts srun itself"};
  }
  if (draft.around.variable("PMIX_RANK") && !draft.slurm) {
    return Refusal{Status::usage, "this is already a rank of an MPI job" + advice + "its launcher"};
  }
  return std::nullopt;
}

Outcome check_program(const Draft& draft) {
  const std::string& name = draft.layout.program.front();
  const FoundProgram found = draft.around.find_program(name);
  if (found.state == ProgramState::not_executable) {
    return Refusal{Status::not_executable, found.path +
                                               " is there but cannot be run: it is a directory, or lacks the permission"
                                               " (chmod +x " +
                                               shell_quoted(found.path) + ")"};
  }
  if (found.state == ProgramState::runnable) return std::nullopt;
  if (name.find('/') != std::string::npos) return Refusal{Status::missing, "there is no program " + name};
  std::string text = "there is no program " + name + " in PATH";
  if (draft.around.find_program("./" + name).state == ProgramState::runnable) {
    text += "; the one in this folder is called ./" + name;
  }
  return Refusal{Status::missing, text};
}

Outcome read_hosts(Draft& draft) {
  const std::string& file = draft.layout.hostfile;
  if (file.empty()) return std::nullopt;
  const FileText content = draft.around.read_file(file);
  if (!content.text) return Refusal{Status::usage, "the host file " + file + " cannot be read: " + content.error};
  draft.hosts = parse_hostfile(*content.text);
  if (draft.hosts.empty()) {
    return Refusal{Status::usage, "the host file " + file + " names no host; a line is like: node1 slots=4"};
  }
  const auto slots = total_slots(draft.hosts);
  const bool checked = !user_gives(draft.layout, {"--oversubscribe", "-oversubscribe", "--map-by", "-map-by"});
  if (draft.layout.ranks && slots && *slots < *draft.layout.ranks && checked) {
    return Refusal{Status::usage,
                   "too few slots: the host file " + file + " has " + std::to_string(*slots) + " (" +
                       describe(draft.hosts) + ") for " + plural(*draft.layout.ranks, "rank") +
                       ". Raise slots=, ask for fewer ranks with more --workers each, or put --oversubscribe"
                       " before --"};
  }
  return std::nullopt;
}

bool offers_pmix(const std::string& types) { return types.find("pmix") != std::string::npos; }

bool is_there(const Draft& draft, const std::string& program) {
  return draft.around.find_program(program).state == ProgramState::runnable;
}

/// Chooses the launcher and says why.
Outcome choose(Draft& draft) {
  const Layout& layout = draft.layout;
  Plan& plan = draft.plan;
  if (layout.launcher) {
    plan.launcher = *layout.launcher;
    plan.reason = "as --launcher says";
    if (plan.launcher == Launcher::bare &&
        (layout.ranks || !layout.hostfile.empty() || !layout.launcher_options.empty())) {
      return Refusal{Status::usage,
                     "--launcher none starts the program itself, once: -n, --hostfile and launcher options go with"
                     " mpirun or srun only"};
    }
    if (plan.launcher == Launcher::srun && !layout.hostfile.empty()) {
      return Refusal{Status::usage,
                     "--hostfile is for mpirun; with srun the nodes are those of the job (--nodelist before --"
                     " picks among them)"};
    }
    return std::nullopt;
  }
  if (!layout.hostfile.empty()) {
    plan.launcher = Launcher::mpirun;
    plan.reason =
        "the host file " + layout.hostfile + " has " + plural(static_cast<std::int64_t>(draft.hosts.size()), "host");
    return std::nullopt;
  }
  if (draft.slurm) {
    plan.reason = "this is Slurm job " + draft.slurm->id + " with " + plural(draft.slurm->nodes, "node");
    plan.launcher = Launcher::mpirun;
    if (!is_there(draft, "srun")) {
      plan.reason += ", but srun is not in PATH";
    } else if (!offers_pmix(draft.around.srun_mpi_types())) {
      plan.reason += ", but its srun has no pmix plugin, which Open MPI needs";
    } else {
      plan.launcher = Launcher::srun;
    }
    return std::nullopt;
  }
  if (layout.ranks || !layout.launcher_options.empty()) {
    plan.launcher = Launcher::mpirun;
    plan.reason = layout.ranks ? plural(*layout.ranks, "rank") + " asked for, and this is no Slurm job"
                               : "there are launcher options, and this is no Slurm job";
    return std::nullopt;
  }
  plan.launcher = Launcher::bare;
  plan.reason = "no -n, no host file and no Slurm job: the program itself, on the cores of this machine, without MPI";
  return std::nullopt;
}

/// How many ranks to ask the launcher for; none: one on each node.
std::optional<std::int64_t> ranks_of(const Draft& draft) {
  if (draft.layout.ranks) return *draft.layout.ranks;
  if (draft.slurm && draft.layout.hostfile.empty() && draft.slurm->tasks && *draft.slurm->tasks > draft.slurm->nodes) {
    return *draft.slurm->tasks;
  }
  return std::nullopt;
}

std::string rank_reason(const Draft& draft) {
  if (draft.layout.ranks) return "";
  if (ranks_of(draft))
    return "; one rank for each of the " + plural(*ranks_of(draft), "task") + " that the job asked for";
  return "; one rank on each node, with all its cores as workers";
}

/// "mpirun (Open MPI) 4.1.4" gives 4; none for another MPI's.
std::optional<int> open_mpi_major(const std::string& version) {
  constexpr std::string_view name = "(Open MPI) ";
  const std::size_t at = version.find(name);
  if (at == std::string::npos) return std::nullopt;
  int major = 0;
  const auto [end, error] = std::from_chars(version.data() + at + name.size(), version.data() + version.size(), major);
  return error == std::errc() ? std::optional(major) : std::nullopt;
}

/// The value of a setting in what ompi_info prints; empty if it has none.
std::string setting_in(const std::string& text, const std::string& name) {
  const std::string key = ":" + name + ":value:";
  const std::size_t at = text.find(key);
  if (at == std::string::npos) return "";
  std::string value = text.substr(at + key.size(), text.find('\n', at) - at - key.size());
  if (value.size() >= 2 && value.front() == '"' && value.back() == '"') value = value.substr(1, value.size() - 2);
  return value;
}

/// Hands variables on to the ranks. Open MPI has two ways for that and refuses to go both: where the user's settings
/// take the other one (`mca_base_env_list`), so do we, with what they list first.
void export_variables(const Draft& draft, const std::vector<std::string>& names, std::vector<std::string>& command,
                      std::vector<std::string>& options) {
  constexpr const char* kList = "mca_base_env_list";
  const std::string settings = draft.around.open_mpi_settings();
  std::string list = setting_in(settings, kList);
  if (list.empty()) list = draft.around.variable("OMPI_MCA_mca_base_env_list").value_or("");
  std::string between = setting_in(settings, "mca_base_env_list_delimiter");
  if (between.empty()) between = ";";
  std::size_t given = options.size();  // where the user's own option has its value
  for (std::size_t i = 0; i + 2 < options.size(); ++i) {
    const bool sets = options[i] == "--mca" || options[i] == "-mca" || options[i] == "--gmca" || options[i] == "-gmca";
    if (sets && options[i + 1] == kList) given = i + 2;
  }
  if (list.empty() && given == options.size()) {
    for (const auto& name : names) command.insert(command.end(), {"-x", name});
    return;
  }
  std::string& value = given < options.size() ? options[given] : list;
  for (const auto& name : names) value += (value.empty() ? "" : between) + name;
  if (given == options.size()) command.insert(command.end(), {"--mca", kList, value});
}

Outcome plan_mpirun(Draft& draft) {
  const Layout& layout = draft.layout;
  const FoundProgram mpirun = draft.around.find_program("mpirun");
  if (mpirun.state != ProgramState::runnable) {
    return Refusal{Status::missing,
                   "mpirun is not in PATH, and it is needed (" + draft.plan.reason +
                       "): install Open MPI (Debian: apt-get install openmpi-bin) or load its module."
                       " Without -n and --hostfile the program runs on this machine's cores without it"};
  }
  const std::string version = draft.around.mpirun_version();
  const auto major = open_mpi_major(version);
  if (!major) {
    return Refusal{Status::missing, "the mpirun in PATH, " + mpirun.path +
                                        ", is not Open MPI's, which is needed: put Open MPI's first"
                                        " in PATH. It says: " +
                                        version.substr(0, version.find('\n'))};
  }
  auto& command = draft.plan.command;
  // Without recovery a lost node, or a keeper that is killed, ends the whole job; with it Open MPI 4 says 0 whatever
  // happens.
  if (*major < 5) draft.plan.zero = Plan::Zero::doubted;
  command = {"mpirun", "--enable-recovery"};
  const auto ranks = ranks_of(draft);
  if (ranks) command.insert(command.end(), {"-n", std::to_string(*ranks)});
  if (!layout.hostfile.empty()) command.insert(command.end(), {"--hostfile", layout.hostfile});
  const bool own_hosts =
      !layout.hostfile.empty() || user_gives(layout, {"-H", "-host", "--host", "-hostfile", "--hostfile"});
  // Slots are what a list of hosts is for; elsewhere ranks share the cores whatever their number.
  const bool share = !own_hosts && !user_gives(layout, {"--oversubscribe", "--nooversubscribe"});
  std::string mapping = !ranks ? "ppr:1:node" : draft.slurm || own_hosts ? "node" : "";
  if (share && *major >= 5) mapping += ":OVERSUBSCRIBE";
  if (!mapping.empty() &&
      !user_gives(layout, {"--map-by", "-map-by", "--rankfile", "-rf", "-npernode", "--npernode", "-N"})) {
    command.insert(command.end(), {"--map-by", mapping});
  }
  if (share && *major < 5) command.push_back("--oversubscribe");
  // mpirun would bind few ranks to a core each; unbound, the library shares out all cores of the node.
  if (!user_gives(layout, {"--bind-to", "-bind-to", "--rankfile", "-rf", "--cpu-set", "--cpu-list"})) {
    command.insert(command.end(), {"--bind-to", "none"});
  }
  std::vector<std::string> names = draft.around.rankpool_variables();
  names.push_back(launch::kReportVariable);
  if (layout.workers) names.push_back("RANKPOOL_WORKERS");
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  std::erase_if(names, [&](const std::string& name) { return user_exports(layout, name); });
  std::vector<std::string> options = layout.launcher_options;
  export_variables(draft, names, command, options);
  command.insert(command.end(), options.begin(), options.end());
  draft.plan.reason += ": mpirun" + rank_reason(draft);
  draft.plan.advice_on_no_start =
      "If it speaks of too few slots, raise slots= in the host file or put --oversubscribe before --; "
      "if of unreachable hosts, see that ssh to each works without a password";
  if (*major >= 5) {
    draft.plan.advice_on_no_start +=
        "; if of a remote daemon that was lost, a node is gone, which the launcher of Open MPI 5 does not survive "
        "(srun does)";
  }
  return std::nullopt;
}

Outcome plan_srun(Draft& draft) {
  const Layout& layout = draft.layout;
  if (!is_there(draft, "srun")) {
    return Refusal{Status::missing,
                   "srun is not in PATH: on a cluster load Slurm's module, elsewhere leave --launcher srun away"};
  }
  if (layout.launcher && !offers_pmix(draft.around.srun_mpi_types())) {
    return Refusal{Status::usage,
                   "this srun has no pmix plugin (srun --mpi=list), which Open MPI needs: use --launcher mpirun"};
  }
  auto& command = draft.plan.command;
  command = {"srun", "--mpi=pmix", "--kill-on-bad-exit=0", "--no-kill", "--wait=0", "--quit-on-interrupt"};
  const auto ranks = ranks_of(draft);
  const auto nodes = draft.slurm ? std::optional(draft.slurm->nodes) : std::nullopt;
  if (nodes) command.push_back("--nodes=" + std::to_string(ranks ? std::min(*ranks, *nodes) : *nodes));
  if (ranks) {
    command.push_back("--ntasks=" + std::to_string(*ranks));
    command.push_back("--distribution=cyclic");
    if (draft.slurm && draft.slurm->cores && *ranks > *draft.slurm->cores) command.push_back("--overcommit");
  } else {
    if (nodes) command.push_back("--ntasks=" + std::to_string(*nodes));
    command.push_back("--ntasks-per-node=1");
  }
  // A rank is to see all cores that the job has on its node; the library shares them out.
  command.push_back("--cpu-bind=none");
  if (draft.slurm && draft.slurm->place == SlurmPlace::one_task_step) command.push_back("--overlap");
  if (draft.around.variable("SLURM_EXPORT_ENV")) command.push_back("--export=ALL");
  command.insert(command.end(), layout.launcher_options.begin(), layout.launcher_options.end());
  // What sbatch was told of tasks would contradict these.
  for (const char* name :
       {"SLURM_NTASKS_PER_NODE", "SLURM_CPUS_PER_TASK", "SRUN_CPUS_PER_TASK", "SLURM_TRES_PER_TASK"}) {
    if (draft.around.variable(name)) draft.plan.unset.emplace_back(name);
  }
  draft.plan.reason += ": srun" + rank_reason(draft);
  draft.plan.advice_on_no_start = "If it waits for or lacks resources, another step may hold them: see squeue --steps";
  return std::nullopt;
}

}  // namespace

std::variant<Plan, Refusal> make_plan(const Layout& layout, const Surroundings& around) {
  Draft draft{layout, around, find_slurm_job(around), {}, {}};
  if (auto refusal = check_numbers(layout)) return *refusal;
  if (auto refusal = check_not_nested(draft)) return *refusal;
  if (auto refusal = check_program(draft)) return *refusal;
  if (auto refusal = read_hosts(draft)) return *refusal;
  if (auto refusal = choose(draft)) return *refusal;
  Outcome refusal;
  switch (draft.plan.launcher) {
    case Launcher::bare:
      break;
    case Launcher::mpirun:
      refusal = plan_mpirun(draft);
      break;
    case Launcher::srun:
      refusal = plan_srun(draft);
      break;
  }
  if (refusal) return *refusal;
  if (layout.workers) draft.plan.set.emplace_back("RANKPOOL_WORKERS", std::to_string(*layout.workers));
  draft.plan.command.insert(draft.plan.command.end(), layout.program.begin(), layout.program.end());
  return std::move(draft.plan);
}

std::string shell_text(const Plan& plan) {
  std::string text;
  if (!plan.unset.empty() || !plan.set.empty()) text = "env";
  for (const auto& name : plan.unset) text += " -u " + name;
  for (const auto& [name, value] : plan.set) text += " " + name + "=" + shell_quoted(value);
  for (const auto& word : plan.command) text += (text.empty() ? "" : " ") + shell_quoted(word);
  return text;
}

}  // namespace rankpool::tools
