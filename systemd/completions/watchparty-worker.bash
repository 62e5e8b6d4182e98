# bash completion of watchparty-worker: the program itself knows what can follow.
_watchparty_worker() {
  local line=${COMP_LINE:0:COMP_POINT}
  mapfile -t COMPREPLY < <(IFS=$'\n' compgen -W "$("${COMP_WORDS[0]}" "[suggest:${#line}]" "$line" 2>/dev/null)" -- "${COMP_WORDS[COMP_CWORD]}")
}
complete -o default -F _watchparty_worker watchparty-worker
