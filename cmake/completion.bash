# Completion in bash for rankpool's commands: their options, as --help has them, and the program that they start.
_rankpool_command() {
  local command=$1 current=$2 previous=$3
  COMPREPLY=()
  case $previous in
    --launcher)
      mapfile -t COMPREPLY < <(compgen -W "auto mpirun srun none" -- "$current")
      return
      ;;
    --hostfile)
      mapfile -t COMPREPLY < <(compgen -f -- "$current")
      return
      ;;
  esac
  case $current in
    -*)
      local options
      options=$("$command" --help 2>/dev/null | grep -oE -e '(^|[ ,])--[a-z][-a-z]*' | tr -d ' ,' | sort -u)
      mapfile -t COMPREPLY < <(compgen -W "$options" -- "$current")
      ;;
    *)
      [ "${command##*/}" = rankpool-info ] || mapfile -t COMPREPLY < <(compgen -c -- "$current" && compgen -f -- "$current")
      ;;
  esac
}
complete -o filenames -F _rankpool_command rankpool-run rankpool-info rankpool-parallel rankpool-trace
