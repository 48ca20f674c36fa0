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

const std::map<std::string, const char*>& advice() {
  static const std::map<std::string, const char*> all = {
      {"S", kHosts},
      {"sshlogin", kHosts},
      {"slf", kHosts},
      {"sshloginfile", kHosts},
      {"ssh", kHosts},
      {"ssh-delay", kHosts},
      {"controlmaster", kHosts},
      {"M", kHosts},
      {"hgrp", kHosts},
      {"hostgroups", kHosts},
      {"filter-hosts", kHosts},
      {"onall", "use srun or mpirun to run one command on each node"},
      {"nonall", "use srun or mpirun to run one command on each node"},
      {"trc", kFiles},
      {"transfer", kFiles},
      {"transferfile", kFiles},
      {"tf", kFiles},
      {"return", kFiles},
      {"cleanup", kFiles},
      {"basefile", kFiles},
      {"bf", kFiles},
      {"rsync-opts", kFiles},
      {"rpl", kPerl},
      {"parens", kPerl},
      {"filter", kPerl},
      {"limit", kPerl},
      {"plus", kPerl},
      {"bin", kPerl},
      {"shard", kPerl},
      {"group-by", kPerl},
      {"m", kFill},
      {"X", kFill},
      {"xargs", kFill},
      {"s", kFill},
      {"max-chars", kFill},
      {"x", kFill},
      {"exit", kFill},
      {"l", "use -L NUMBER"},
      {"i", "use -I STRING"},
      {"e", kFill},
      {"E", "cut the list before it, with sed '/^END$/,$d'"},
      {"eof", "cut the list before it, with sed '/^END$/,$d'"},
      {"round-robin", kPipes},
      {"round", kPipes},
      {"pipe-part", kPipes},
      {"pipepart", kPipes},
      {"cat", kPipes},
      {"fifo", kPipes},
      {"tee", kPipes},
      {"recstart", kPipes},
      {"regexp", kPipes},
      {"rrs", kPipes},
      {"remove-rec-sep", kPipes},
      {"block-timeout", kPipes},
      {"bt", kPipes},
      {"csv", "use --colsep ,"},
      {"skip-first-line", "use --header : or tail -n +2"},
      {"load", kLoad},
      {"memfree", kLoad},
      {"memsuspend", kLoad},
      {"noswap", kLoad},
      {"total-jobs", kLoad},
      {"nice", "write 'nice -n NUMBER' before the command"},
      {"sql", kSql},
      {"sqlmaster", kSql},
      {"sqlworker", kSql},
      {"sqlandworker", kSql},
      {"sql-master", kSql},
      {"sql-worker", kSql},
      {"sql-and-worker", kSql},
      {"files", "use --results DIR"},
      {"output-as-files", "use --results DIR"},
      {"outputasfiles", "use --results DIR"},
      {"compress", "let the command compress"},
      {"ll", "use --line-buffer"},
      {"latest-line", "use --line-buffer"},
      {"color", "use --tag"},
      {"ctag", "use --tag"},
      {"ctagstring", "use --tagstring"},
      {"color-failed", "use --joblog"},
      {"cf", "use --joblog"},
      {"tmux", kTerminal},
      {"tmuxpane", kTerminal},
      {"tty", kTerminal},
      {"open-tty", kTerminal},
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
      {"term-seq", "commands get SIGTERM, and SIGKILL 0.35 s later"},
      {"termseq", "commands get SIGTERM, and SIGKILL 0.35 s later"},
      {"process-slot-var", "use PARALLEL_JOBSLOT"},
      {"template", "let the command write it"},
      {"tmpl", "let the command write it"},
      {"profile", "write the options into a script"},
      {"J", "write the options into a script"},
      {"shebang", "write the options into a script"},
      {"hashbang", "write the options into a script"},
      {"record-env", "use --env NAME or --env _"},
      {"embed", "write the options into a script"},
      {"shell-quote", "use printf %q"},
      {"minversion", "see --version"},
      {"citation", "there is none to be accepted"},
      {"arg-sep", "it is :::"},
      {"arg-file-sep", "it is ::::"},
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
      {"number-of-cores", "use nproc"},
      {"number-of-cpus", "use nproc"},
      {"number-of-threads", "use nproc"},
      {"number-of-sockets", "use lscpu"},
      {"use-cpus-instead-of-cores", "choose the number with -j"},
      {"use-cores-instead-of-threads", "choose the number with -j"},
      {"use-sockets-instead-of-threads", "choose the number with -j"},
  };
  return all;
}

}  // namespace

std::optional<std::string> refusal_of(const std::string& name) {
  const auto found = advice().find(name);
  if (found == advice().end()) return std::nullopt;
  const std::string dashes = name.size() == 1 ? "-" : "--";
  return "GNU parallel's " + dashes + name + " is not here: " + found->second;
}

}  // namespace rankpool::parallel
