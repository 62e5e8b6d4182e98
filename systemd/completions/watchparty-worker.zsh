#compdef watchparty-worker
# zsh completion of watchparty-worker: the program itself knows what can follow.
_watchparty_worker() {
  local line="${words[1,CURRENT]}"
  local -a answers=("${(@f)$("${words[1]}" "[suggest:${#line}]" "$line" 2>/dev/null)}")
  compadd -a answers
  _files
}
if [[ $funcstack[1] == _watchparty-worker ]]; then _watchparty_worker "$@"; else compdef _watchparty_worker watchparty-worker; fi
