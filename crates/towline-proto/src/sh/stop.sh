# Ending an execution: its whole process tree, and nothing else.
#
# The tree is every process that descends from the session's shell and was born after the command began, and every one
# that carries the command's mark in its environment (it may have left the tree). The shell is stopped first, so that it
# goes on to nothing, and killed last, so that its supervisor sees the end when all else is over. Only when it stands still
# is it known whether the command is still the one that it runs.
# A signal goes to one pid at a time, after its start time was compared; never to a group, never to a name.

# tl_processes: prints every live process as pid:parent:start.
tl_processes() {
  awk '
    BEGIN {
      for (i = 1; i < ARGC; i++) {
        file = ARGV[i]
        if ((getline line < file) <= 0) continue
        # A name may hold a newline, and a bracket.
        while (line !~ /[)] [A-Za-z] [0-9]/ && (getline more < file) > 0) line = line " " more
        close(file)
        sub(/.*[)] /, "", line)
        if (split(line, field, " ") < 20 || field[1] ~ /[ZX]/) continue
        gsub(/[^0-9]/, "", file)
        print file ":" field[2] ":" field[20]
      }
    }' /proc/[0-9]*/stat
}

# tl_look_round: sets tl_list to what tl_processes prints and the marks of all, as they were in a moment after this call; false where each
# has to look for itself. Where many executions are ended at once, one look serves all who asked for one before it began: it takes the longer
# the more there are. Whoever looks has the token in fd 9.
tl_look_round() {
  tl_list='' tl_before=0 tl_looks=0
  if [ -z "$TL_FAST" ] || [ ! -p "${TL_TMP:-/none}/t" ] || [ "$tl_sees" != yes ]; then return 1; fi
  if [ -s "$TL_TMP/t.n" ]; then read -r tl_before <"$TL_TMP/t.n"; fi
  # shellcheck disable=SC2034,SC3045 # a token is taken, not read; bash alone comes here
  read -r -t 5 -u 9 tl_token || return 1
  if [ -s "$TL_TMP/t.n" ]; then read -r tl_looks <"$TL_TMP/t.n"; fi
  if [ "$tl_looks" -le "$tl_before" ]; then
    tl_looks=$((tl_looks + 1))
    echo "$tl_looks" >"$TL_TMP/t.n"
    {
      tl_processes
      grep -a -o -s -H 'TOWLINE_EXECUTION=[a-z0-9]*' /proc/[0-9]*/environ
      echo "whole $tl_looks"
    } >"$TL_TMP/t.l"
  fi
  # shellcheck disable=SC3045
  IFS='' read -r -d '' tl_list <"$TL_TMP/t.l"
  echo . >&9
  # On a full disk it is not whole.
  case $tl_list in *"whole $tl_looks$tl_nl") return 0 ;; esac
  tl_list=''
  return 1
}

# tl_descend PIDS: prints every live process that descends from these, as pid:parent:start, parents before their children.
tl_descend() {
  if [ -n "${tl_list-}" ]; then printf %s "$tl_list"; else tl_processes; fi | awk -F: -v roots="$1" '
    NF == 3 && $1 ~ /^[0-9]+$/ { start[$1] = $3; below[$2] = below[$2] " " $1 }
    END {
      n = split(roots, queue, " ")
      for (i = 1; i <= n; i++) seen[queue[i]] = 1
      for (i = 1; i <= n; i++) {
        count = split(below[queue[i]], child, " ")
        for (j = 1; j <= count; j++) if (!seen[child[j]]++) {
          print child[j] ":" queue[i] ":" start[child[j]]
          queue[++n] = child[j]
        }
      }
    }'
}

# tl_family PIDS [BEGAN HANDLE]: sets tl_pids to the live processes that descend from these: pid:start pairs. With a handle PIDS is one
# shell, and the jobs that earlier commands left in it are none of them, nor what those started.
tl_family() {
  tl_kin=" $1 " tl_pids=''
  for tl_e in $(tl_descend "$1"); do
    tl_p=${tl_e%%:*} tl_r=${tl_e#*:}
    case $tl_kin in *" ${tl_r%%:*} "*) ;; *) continue ;; esac
    if [ -n "${3-}" ] && [ "${tl_r%%:*}" = "$1" ] && tl_earlier "$tl_p" "${tl_r#*:}" "$2" "$3"; then continue; fi
    tl_kin="$tl_kin$tl_p " tl_pids="$tl_pids $tl_p:${tl_r#*:}"
  done
}

# tl_tree SHELL BEGAN HANDLE: sets tl_pids to the live processes of the tree without the shell: pid:start pairs.
tl_tree() {
  tl_look_round
  tl_family "$1" "$2" "$3"
  for tl_f in $(tl_bearers "$3"); do
    tl_p=${tl_f#/proc/} tl_p=${tl_p%/environ}
    case "$tl_kin $$ " in *" $tl_p "*) continue ;; esac
    tl_birth "$tl_p"
    if [ -n "$tl_v" ]; then tl_pids="$tl_pids $tl_p:$tl_v"; fi
  done
}

# tl_bearers HANDLE: prints the files of /proc of the processes that bear its mark.
tl_bearers() {
  if [ -n "$tl_list" ]; then
    printf %s "$tl_list" | sed -n "s/^\\(\\/proc\\/[0-9]*\\/environ\\):TOWLINE_EXECUTION=$1\$/\\1/p"
  else
    tl_marked "TOWLINE_EXECUTION=$1" /proc/[0-9]*/environ
  fi
}

# tl_earlier PID START BEGAN HANDLE: whether a child of the shell is the job of an earlier command.
tl_earlier() {
  case ${tl_list:+x$tl_nl$tl_list} in
    '') ;;
    *"$tl_nl/proc/$1/environ:TOWLINE_EXECUTION=$4$tl_nl"*) return 1 ;;
    *"$tl_nl/proc/$1/environ:TOWLINE_EXECUTION="*) return 0 ;;
    *)
      [ "$2" -lt "$3" ] 2>/dev/null
      return
      ;;
  esac
  if [ -n "$(tl_marked "TOWLINE_EXECUTION=$4" "/proc/$1/environ")" ]; then return 1; fi
  if [ -n "$(tl_marked TOWLINE_EXECUTION= "/proc/$1/environ")" ]; then return 0; fi
  [ "$2" -lt "$3" ]
}

# tl_marked TEXT FILES: prints the files of /proc that hold the text. busybox's grep sees nothing behind a NUL; its tail names
# each of several files.
tl_marked() {
  tl_text=$1
  shift
  if [ -z "${tl_sees-}" ]; then
    tl_sees=no
    if printf 'a\0b\n' | grep -q -F -e b; then tl_sees=yes; fi
  fi
  if [ "$tl_sees" = yes ]; then
    grep -l -s -F -e "$tl_text" "$@"
  else
    tail -c +1 /dev/null "$@" | tr '\0' '\n' | awk -v text="$tl_text" '
      $1 == "==>" && $2 ~ /^\/proc\// { name = $2 }
      name != "" && index($0, text) { print name; name = "" }'
  fi
}

# tl_signal SIGNAL: to each process of tl_pids that is still the one it was; counts them in tl_count.
tl_signal() {
  for tl_e in $tl_pids; do
    if tl_alive "${tl_e%%:*}" "${tl_e#*:}"; then
      kill -s "$1" "${tl_e%%:*}" && tl_count=$((tl_count + 1))
    fi
  done
}

# tl_stop HANDLE SIGNAL: ends an execution; prints `WORD COUNT CONFIRMED`: WORD is done (it was over), queued (it had not
# begun and is forgotten), gone (its shell is no more), unknown (there is no such record) or stopped.
tl_stop() {
  tl_count=0
  tl_read_record "$1" || { echo 'unknown 0 0' && return 1; }
  # Found out here, and not in each of the subshells that use it.
  tl_marked - /dev/null
  if [ "$tl_state" = queued ] && tl_stop_queued "$1"; then echo 'queued 0 1' && return 0; fi
  tl_read_record "$1"
  if [ "$tl_state" != running ] || [ -n "$tl_raw" ]; then echo 'done 0 1' && return 0; fi
  if [ "$tl_boot" != "$TL_BOOT" ] || ! tl_alive "$tl_shell" "$tl_start"; then echo 'gone 0 1' && return 0; fi
  # Who is told to stop midway would leave the shell standing.
  trap '' HUP INT PIPE TERM
  tl_halt "$tl_shell" "$tl_start"
  tl_read_record "$1"
  if [ "$tl_state" != running ] || [ -n "$tl_raw" ]; then
    tl_go_on "$tl_shell" "$tl_start"
    echo 'done 0 1'
    return 0
  fi
  tl_append "$tl_x" "k $2 - - - - ."
  tl_stop_tree "$tl_shell" "$tl_start" "$tl_began" "$1" "$2"
  if [ -z "$tl_pids" ] && ! tl_alive "$tl_shell" "$tl_start"; then tl_v=1; else tl_v=0; fi
  echo "stopped $((tl_count + 1)) $tl_v"
}

# tl_halt SHELL START: returns when the shell stands still or is gone. A zsh that waits for it would let it go on, so that one
# stands still first.
tl_halt() {
  tl_watcher=''
  if [ -n "${ZSH_VERSION-}" ] && tl_waited_for "$tl_u"; then
    tl_watcher=$tl_w_pid
    kill -s STOP "$tl_watcher"
    tl_stands "$tl_watcher"
  fi
  if tl_alive "$1" "$2"; then kill -s STOP "$1"; fi
  tl_stands "$1"
}
tl_stands() {
  tl_tries=0
  while tl_birth "$1" && [ -n "$tl_v" ] && [ "$tl_phase" != T ] && [ "$tl_tries" -lt 40 ]; do
    tl_tries=$((tl_tries + 1))
    if [ "$tl_tries" -gt 5 ]; then tl_nap; fi
    # Where the system does not tell, a moment has to do.
    if [ -z "$tl_phase" ]; then tl_nap && return 0; fi
  done
}
tl_go_on() {
  if tl_alive "$1" "$2"; then kill -s CONT "$1"; fi
  if [ -n "$tl_watcher" ]; then kill -s CONT "$tl_watcher"; fi
}

# tl_stop_tree SHELL START BEGAN HANDLE SIGNAL: the shell stands still; the signal, and two seconds later KILL; the shell itself last.
tl_stop_tree() {
  tl_tree "$1" "$3" "$4"
  # Stopped first, all of them: none sees another's end and does or says something because of it.
  tl_signal STOP
  tl_count=0
  tl_signal "$5"
  tl_keep=$tl_count
  tl_signal CONT
  tl_tries=0
  while tl_tree "$1" "$3" "$4" && [ -n "$tl_pids" ]; do
    tl_tries=$((tl_tries + 1))
    if [ "$tl_tries" -eq 40 ]; then tl_signal KILL; fi
    if [ "$tl_tries" -gt 80 ]; then break; fi
    tl_nap
  done
  tl_count=$tl_keep
  if tl_alive "$1" "$2"; then kill -s KILL "$1"; fi
  if [ -n "$tl_watcher" ]; then kill -s CONT "$tl_watcher"; fi
  tl_within 40 tl_gone "$1" "$2"
}

# tl_stop_queued HANDLE: an execution that waits for its turn: its beginning is claimed here, so nobody can begin it.
tl_stop_queued() {
  tl_own_pid
  tl_mine="0 $TL_BOOT 0 - stop.$tl_v ."
  tl_append "$tl_x" "b - - 0 0 $tl_mine"
  tl_read_record "$1"
  if [ "$tl_b_rest" != "$tl_mine" ]; then return 1; fi
  tl_publish "$1" 'never 0' 0 - 's never 0 0 - ? .'
}
