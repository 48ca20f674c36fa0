#include "parallel/help.hpp"

namespace rankpool::parallel {

std::string version_text() { return "rankpool-parallel " RANKPOOL_VERSION "\n"; }

std::string help_text() {
  return R"(Usage: rankpool-parallel [options] [command [arguments]] < list
  or:  rankpool-parallel [options] [command [arguments]] (::: words | :::+ words | :::: files)...
  or:  ... | rankpool-parallel --pipe [options] command

Runs a command for each line of a list, on all cores of all nodes of the job, and says which of them failed. Options mean
what they mean to GNU parallel. Inside a Slurm job, or with --hostfile, it starts itself on all nodes; else it uses the
cores of this machine. Without a command the lines are commands.

Replacement strings:
  {}              the argument, quoted for the shell; appended if the command has no replacement string
  {.}             without its extension
  {/} {//} {/.}   last part of a path; its folder; last part without extension
  {2} {-1} {2.}   the second, the last argument; the others likewise: {2/} {2//} {2/.}
  {name}          the column of that name, with --header
  {#} {%}         number of the command, and of its slot: no two that run together on a job have the same

Options:
  They mean what they mean to GNU parallel, unless another meaning stands here.

Input:
  -a, --arg-file FILE     read arguments from FILE; several give all combinations
  ::: WORDS, :::: FILES   arguments; several give all combinations
  :::+ WORDS              go in step with the ones before
  --link                  all sources go in step
  -0, --null              arguments end with NUL
  -d, --delimiter D       arguments end with D
  -C, --colsep REGEXP     cut lines in columns {1} {2} ...
  --trim n|l|r|lr         blanks at the ends of arguments
  --header :              the first line names the columns
  -N, -n NUMBER           so many arguments for each command
  -L NUMBER               so many lines for each command
  -r                      leave out empty lines
  -I STRING               in place of {}
  -q, --quote             keep the command from the shell, too
  --shuf                  in random order
  --pipe                  give blocks of standard input to the commands' standard input
  --block SIZE            of about SIZE (1M)
  -N NUMBER               of so many records
  --recend STRING         records end with STRING (a newline)

Running:
  -j, --jobs N            commands at a time on each node: 4, 50%, +1, -1; 0 is as many as possible (100%)
  --workers-per-node N    the same
  --hostfile FILE         on these hosts, by mpirun: lines like "node1 slots=4"
  --retries N             try a command up to N times
  --timeout T             end a command after T seconds, 10m, 2h, or 200% of the median
  --halt WHEN,WHY         soon or now, on fail=1, success=3, done=10, fail=5%
  --delay T               between two starts
  --wd, --workdir DIR     run in DIR; it is made
  --env NAME              give the variable to commands on other nodes, too; _ is all of them
  --tmpdir DIR            for what commands print, until it is shown ($TMPDIR, /tmp)
  --stop-before T         start nothing when less than T is left of the Slurm job's time limit
  --give-back-idle-nodes  give nodes back to Slurm once nothing is left for them

Output:
  -k, --keep-order        in the order of the list
  --group                 each command's output when it has ended (this is so unless told)
  --lb, --line-buffer     whole lines as they come
  -u, --ungroup           as it comes
  --tag                   the argument before each line
  --tagstring STRING      STRING before each line; replacement strings work
  -v                      show commands before their output
  --dry-run               show commands and run nothing
  --results DIR           output in files DIR/1/argument/stdout, stderr, seq
  --results FILE          .csv, .tsv or .jsonl: one line for each command; with several ranks FILE.RANK.csv
  --joblog FILE           one line for each command that has ended
  --resume                leave out what has a line in the joblog; refuse a list that has changed
  --resume=force          run what has changed, too
  --resume-failed         run what has failed, too
  --retry-failed          run what has failed, as it stands in the joblog
  --progress --bar --eta  how far it is, on standard error

  -h, --help              show this help
  -V, --version           show the version

Environment: PARALLEL: options that come before those of the command line (not with --plain). PARALLEL_SHELL, SHELL: the
shell of commands (else /bin/sh). A command sees PARALLEL_SEQ, PARALLEL_JOBSLOT, PARALLEL_PID and RANKPOOL_HOST.

Signals: SIGTERM, SIGHUP, SIGUSR1, SIGUSR2: no new commands, what runs finishes. A second one, or SIGINT: ends all at once.

Exit status: 0 all went well; 1 to 100 so many commands failed; 101 more did; 128 + N stopped by signal N; 255 an error of
rankpool-parallel's own. With --halt what GNU parallel's is.

Examples:
  Compress all logs, two at a time
      rankpool-parallel -j2 gzip ::: *.log
  All combinations of two lists, output in order
      rankpool-parallel -k ./fit --model {1} --seed {2} ::: linear cubic ::: 1 2 3
  A list of commands, with a record that a later run goes on from
      rankpool-parallel --joblog log --resume < commands.txt
  On all nodes of a Slurm job
      sbatch -N4 --exclusive --wrap 'rankpool-parallel --joblog log --resume ./simulate :::: parameters.txt'
  Try three times, at most ten minutes each, and stop if a tenth fails
      rankpool-parallel --retries 3 --timeout 10m --halt soon,fail=10% ./step {} :::: inputs
)";
}

}  // namespace rankpool::parallel
