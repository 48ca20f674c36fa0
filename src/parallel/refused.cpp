#include "parallel/refused.hpp"

#include <map>

namespace rankpool::parallel {
namespace {

constexpr const char* kHosts = "the nodes are those of the Slurm job or of --hostfile FILE";
constexpr const char* kFiles = "no files are copied: use a file system that all nodes share, or let the command copy";
constexpr const char* kPerl = "no Perl is run: let the command or a filter before rankpool-parallel do it";
constexpr const char* kFill = "give each command a fixed number of arguments with -N NUMBER";
constexpr const char* kPipes = "of --pipe there is --block, -N and --recend";
constexpr const char* kLoad = "the number of commands at a time is fixed: choose it with -j";
constexpr const char* kSql = "the record is --joblog FILE and --results FILE.csv";
constexpr const char* kTerminal = "commands have no terminal: run it by itself";
constexpr const char* kLocks = "use flock(1)";
constexpr const char* kRetired = "GNU parallel has retired it, too";

/// By names without dashes.
const std::map<std::string, const char*>& advice() {
  static const std::map<std::string, const char*> all = {
      {"S", kHosts},
      {"sshlogin", kHosts},
      {"slf", kHosts},
      {"sshloginfile", kHosts},
      {"ssh", kHosts},
      {"sshdelay", kHosts},
      {"controlmaster", kHosts},
      {"M", kHosts},
      {"hgrp", kHosts},
      {"hostgroups", kHosts},
      {"hostgroup", kHosts},
      {"hostgrp", kHosts},
      {"filterhosts", kHosts},
      {"filterhost", kHosts},
      {"onall", "use srun or mpirun to run one command on each node"},
      {"nonall", "use srun or mpirun to run one command on each node"},
      {"trc", kFiles},
      {"transfer", kFiles},
      {"transferfile", kFiles},
      {"transferfiles", kFiles},
      {"tf", kFiles},
      {"return", kFiles},
      {"cleanup", kFiles},
      {"basefile", kFiles},
      {"bf", kFiles},
      {"rsyncopts", kFiles},
      {"rpl", kPerl},
      {"parens", kPerl},
      {"filter", kPerl},
      {"limit", kPerl},
      {"plus", kPerl},
      {"bin", kPerl},
      {"shard", kPerl},
      {"groupby", kPerl},
      {"m", kFill},
      {"X", kFill},
      {"xargs", kFill},
      {"s", kFill},
      {"maxchars", kFill},
      {"maxlinelengthallowed", "see getconf ARG_MAX"},
      {"showlimits", "see xargs --show-limits"},
      {"x", kFill},
      {"exit", kFill},
      {"l", "use -L NUMBER"},
      {"i", "use -I STRING"},
      {"e", kFill},
      {"E", "cut the list before it, with sed '/^END$/,$d'"},
      {"eof", "cut the list before it, with sed '/^END$/,$d'"},
      {"roundrobin", kPipes},
      {"round", kPipes},
      {"pipepart", kPipes},
      {"cat", kPipes},
      {"fifo", kPipes},
      {"tee", kPipes},
      {"recstart", kPipes},
      {"regexp", kPipes},
      {"regex", kPipes},
      {"rrs", kPipes},
      {"removerecsep", kPipes},
      {"blocktimeout", kPipes},
      {"bt", kPipes},
      {"csv", "use --colsep ,"},
      {"skipfirstline", "use --header : or tail -n +2"},
      {"load", kLoad},
      {"memfree", kLoad},
      {"memsuspend", kLoad},
      {"noswap", kLoad},
      {"totaljobs", kLoad},
      {"total", kLoad},
      {"nice", "write 'nice -n NUMBER' before the command"},
      {"sql", kSql},
      {"sqlmaster", kSql},
      {"sqlworker", kSql},
      {"sqlandworker", kSql},
      {"files", "use --results DIR"},
      {"outputasfiles", "use --results DIR"},
      {"compress", "let the command compress"},
      {"compressprogram", "let the command compress"},
      {"usecompressprogram", "let the command compress"},
      {"decompressprogram", "let the command compress"},
      {"usedecompressprogram", "let the command compress"},
      {"ll", "use --line-buffer"},
      {"latestline", "use --line-buffer"},
      {"color", "use --tag"},
      {"colour", "use --tag"},
      {"ctag", "use --tag"},
      {"ctagstring", "use --tagstring"},
      {"colorfailed", "use --joblog"},
      {"colorfail", "use --joblog"},
      {"colourfailed", "use --joblog"},
      {"colourfail", "use --joblog"},
      {"cf", "use --joblog"},
      {"tmux", kTerminal},
      {"tmuxpane", kTerminal},
      {"tty", kTerminal},
      {"opentty", kTerminal},
      {"o", kTerminal},
      {"p", kTerminal},
      {"interactive", kTerminal},
      {"fg", kTerminal},
      {"bg", kLocks},
      {"semaphore", kLocks},
      {"semaphorename", kLocks},
      {"id", kLocks},
      {"semaphoretimeout", kLocks},
      {"st", kLocks},
      {"wait", kLocks},
      {"t", "use -v"},
      {"verbose", "use -v"},
      {"D", "set RANKPOOL_LOG=debug"},
      {"debug", "set RANKPOOL_LOG=debug"},
      {"termseq", "commands get SIGTERM, and SIGKILL 0.35 s later"},
      {"processslotvar", "use PARALLEL_JOBSLOT"},
      {"template", "let the command write it"},
      {"tmpl", "let the command write it"},
      {"profile", "write the options into a script"},
      {"J", "write the options into a script"},
      {"shebang", "write the options into a script"},
      {"hashbang", "write the options into a script"},
      {"recordenv", "use --env NAME or --env _"},
      {"embed", "write the options into a script"},
      {"shellquote", "use printf %q"},
      {"minversion", "see --version"},
      {"shellcompletion", "completion for bash is installed with the program"},
      {"citation", "there is none to be accepted"},
      {"bibtex", "there is none to be accepted"},
      {"argsep", "it is :::"},
      {"argfilesep", "it is ::::"},
      {"g", kRetired},
      {"B", kRetired},
      {"H", kRetired},
      {"T", kRetired},
      {"W", kRetired},
      {"Y", kRetired},
      {"tollef", kRetired},
      {"ctrlc", kRetired},
      {"noctrlc", kRetired},
      {"U", "use -I STRING"},
      {"seqreplace", "it is {#}"},
      {"slotreplace", "it is {%}"},
      {"extensionreplace", "it is {.}"},
      {"er", "it is {.}"},
      {"basenamereplace", "it is {/}"},
      {"bnr", "it is {/}"},
      {"dirnamereplace", "it is {//}"},
      {"dnr", "it is {//}"},
      {"basenameextensionreplace", "it is {/.}"},
      {"bner", "it is {/.}"},
      {"numberofcores", "use nproc"},
      {"numberofcpus", "use nproc"},
      {"numberofthreads", "use nproc"},
      {"numberofsockets", "use lscpu"},
      {"usecpusinsteadofcores", "choose the number with -j"},
      {"usecoresinsteadofthreads", "choose the number with -j"},
      {"usesocketsinsteadofthreads", "choose the number with -j"},
  };
  return all;
}

}  // namespace

std::string without_dashes(std::string name) {
  std::erase(name, '-');
  return name;
}

std::optional<std::string> refusal_of(const std::string& name) {
  const auto found = advice().find(without_dashes(name));
  if (found == advice().end()) return std::nullopt;
  const std::string dashes = name.size() == 1 ? "-" : "--";
  return "GNU parallel's " + dashes + name + " is not here: " + found->second;
}

}  // namespace rankpool::parallel
