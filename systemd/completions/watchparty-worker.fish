# fish completion of watchparty-worker: the program itself knows what can follow.
complete -c watchparty-worker -a '(set -l line (commandline -cp); watchparty-worker "[suggest:"(string length -- "$line")"]" "$line" 2>/dev/null)'
