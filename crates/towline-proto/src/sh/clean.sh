# When asked: what is kept on this host is listed, and removed; all of it, to the last byte, if that is wished. It comes with the request.

# tl_clean WHAT [IDLE READ_DAYS UNREAD_DAYS]: `list` tells what is kept: `root|PATH|KIB`, `session|NAME|live, busy or gone|IDLE SECONDS or ?|DIRECTORY`,
# `lane|ID|live, gone or own`, `executions|TOTAL|RUNNING|UNREAD|KIB`, `running|HANDLE|SESSION|STATE|AGE|COMMAND`. `finished` removes what is
# over and read or old, and ends sessions without a command for IDLE seconds: `removed|HANDLE`, `ended|SESSION`, `kept|SESSION` (a job
# of it runs).
tl_clean() {
  case $1 in
    list) tl_clean_list ;;
    finished) tl_clean_finished "$2" "$3" "$4" ;;
    *) return 1 ;;
  esac
}

tl_clean_list() {
  tl_v=$(du -sk "$TL_ROOT")
  printf 'root|%s|%s\n' "$TL_ROOT" "${tl_v%%[!0-9]*}"
  tl_sessions
  for tl_f in "$TL_ROOT"/l/*; do
    IFS=' ' read -r tl_s_pid tl_s_start tl_rest <"$tl_f/pid" || continue
    if [ "$tl_f" = "$TL_TMP" ]; then tl_v=own; elif tl_alive "$tl_s_pid" "$tl_s_start"; then tl_v=live; else tl_v=gone; fi
    echo "lane|${tl_f##*/}|$tl_v"
  done
  tl_jobs all >"$TL_TMP/$TL_REQ.all"
  tl_v=$(cd "$TL_ROOT/o" && du -sk .)
  tl_kib=${tl_v%%[!0-9]*}
  tl_v=$(tl_jobs open | awk -F '|' '$3 != "running" && $3 != "queued" { n++ } END { print n + 0 }')
  awk -F '|' -v unread="$tl_v" -v kib="$tl_kib" '
    { n++ }
    $3 == "running" || $3 == "queued" { r++; if (r <= 50) line[r] = "running|" $0 }
    END { printf "executions|%d|%d|%d|%d\n", n, r, unread, kib; for (i = 1; i in line; i++) print line[i] }' "$TL_TMP/$TL_REQ.all"
}

# tl_sessions: a line for each session: how it stands, and for how long it had no command, in seconds of this boot's clock.
tl_sessions() {
  tl_now
  tl_clock=$tl_v
  tl_find_running
  for tl_f in "$TL_ROOT"/s/*; do
    # A copy beside a session is an execution, and told as one.
    case $tl_f in */@*) continue ;; esac
    if [ ! -d "$tl_f" ]; then continue; fi
    tl_s=${tl_f##*/} tl_cwd='' tl_idle='?'
    if [ -s "$tl_f/cwd" ]; then tl_read_cwd "$tl_f/cwd"; fi
    tl_supervisor "$tl_f"
    if [ -z "$tl_live" ]; then
      tl_st=gone
    else
      # Without a command in this boot it is idle since it came up.
      tl_st=live
      tl_v=$(tl_last_use "$tl_s")
      case $tl_running in *" $tl_s "*) tl_st=busy tl_v=$tl_clock ;; esac
      if [ "$tl_v" = 0 ] && [ "$tl_s_start" != '?' ]; then tl_v=$tl_s_start; fi
      if [ "$tl_clock" != 0 ]; then tl_idle=$(((tl_clock - tl_v) / 100)); fi
    fi
    printf 'session|%s|%s|%s|%s\n' "$tl_s" "$tl_st" "$tl_idle" "${tl_cwd%%"$tl_nl"*}"
  done
}
tl_last_use() {
  awk -v s="$1" -v boot="$TL_BOOT" '$1 == "+" && $3 == s { mine[$2] = 1 } $1 == "-" && mine[$2] && $3 == boot && $4 + 0 > last { last = $4 + 0 }
    END { print last + 0 }' "$TL_ROOT/index"
}

# tl_clean_finished IDLE READ_DAYS UNREAD_DAYS.
tl_clean_finished() {
  tl_candidates "$2" "$3" | while IFS=' ' read -r tl_h tl_sp tl_kind tl_rest; do
    if [ "$tl_kind" = read ] || [ "$tl_rest" = old ]; then printf '%s %s\n' "$tl_h" "$tl_sp" && echo "removed|$tl_h" >&3; fi
  done 3>&1 >"$TL_TMP/$TL_REQ.list"
  tl_expire <"$TL_TMP/$TL_REQ.list"
  tl_sessions >"$TL_TMP/$TL_REQ.sessions"
  while IFS='|' read -r tl_rest tl_s tl_st tl_idle tl_rest; do
    case $tl_st in
      gone) tl_bury "$TL_ROOT/s/$tl_s" && echo "ended|$tl_s" ;;
      live) if [ "$tl_idle" -ge "$1" ]; then tl_end_if_idle "$tl_s"; fi ;;
    esac
  done <"$TL_TMP/$TL_REQ.sessions"
  tl_sweep_lanes
}

# A session whose own commands are over may still have a job in the background: then it stays.
tl_end_if_idle() {
  tl_shells=''
  for tl_f in "$TL_ROOT/s/$1"/u.*; do
    if [ -s "$tl_f" ] && IFS=' ' read -r tl_s_pid tl_s_start tl_rest <"$tl_f" && tl_alive "$tl_s_pid" "$tl_s_start"; then tl_shells="$tl_shells $tl_s_pid"; fi
  done
  tl_family "$tl_shells"
  if [ -n "$tl_pids" ]; then
    echo "kept|$1"
  elif tl_say "$TL_ROOT/s/$1/in" q; then
    echo "ended|$1"
  fi
}

# Everything: other lanes first, so that nothing is begun any more; then executions and what they left running, sessions, files, and
# the directories that were made for all this. The reply needs none of them.
tl_clean_all() {
  tl_end_lanes
  tl_handles=$(tl_jobs all | sed -n -e 's/^\([^|]*\)|[^|]*|running.*/\1/p' -e 's/^\([^|]*\)|[^|]*|queued.*/\1/p')
  for tl_h in $tl_handles; do tl_stop "$tl_h" TERM >"$TL_TMP/$TL_REQ.$tl_h" & done
  wait
  tl_unsure=$(cat "$TL_TMP/$TL_REQ".* | grep -c ' 0$')
  tl_end_sessions
  tl_end_leftovers
  for tl_f in "$TL_ROOT"/* "$TL_ROOT"/.[!.]*; do
    if [ "$tl_f" != "$TL_ROOT/l" ]; then rm -rf "$tl_f"; fi
  done
  rm -rf "$TL_ROOT/l"
  tl_leave_place
  tl_v="removed|$TL_ROOT${tl_nl}unsure|$tl_unsure"
  if [ -e "$TL_ROOT" ]; then tl_v="left|$(ls -A "$TL_ROOT" | tr '\n' ' ')"; fi
}

# Lanes of other connections, with what they have in work. What they wait for is told by their end.
tl_end_lanes() {
  tl_lanes=''
  for tl_f in "$TL_ROOT"/l/*; do
    if [ "$tl_f" = "$TL_TMP" ]; then continue; fi
    tl_s_pid='' tl_s_start=''
    IFS=' ' read -r tl_s_pid tl_s_start tl_rest <"$tl_f/pid"
    if tl_alive "$tl_s_pid" "$tl_s_start"; then tl_lanes="$tl_lanes $tl_s_pid:$tl_s_start"; fi
  done
  tl_workers=''
  for tl_e in $tl_lanes; do
    tl_family "${tl_e%%:*}"
    tl_workers="$tl_workers $tl_pids"
  done
  tl_pids=$tl_lanes
  tl_signal TERM
  tl_gone_soon "$tl_lanes"
  tl_pids="$tl_workers $tl_lanes"
  tl_signal KILL
}

# tl_gone_soon PAIRS: returns when these processes are gone, or after two seconds.
tl_gone_soon() { tl_within 40 tl_all_gone "$1"; }
tl_all_gone() {
  for tl_e in $1; do
    if tl_alive "${tl_e%%:*}" "${tl_e#*:}"; then return 1; fi
  done
}

# Sessions: they are asked to end; what does not within two seconds is ended, with whatever it started for itself.
tl_end_sessions() {
  tl_supervisors=''
  for tl_f in "$TL_ROOT"/s/*/g.*; do
    tl_s_pid='' tl_s_start=''
    IFS=' ' read -r tl_s_pid tl_s_start <"$tl_f" || continue
    if tl_alive "$tl_s_pid" "$tl_s_start"; then
      tl_supervisors="$tl_supervisors $tl_s_pid:$tl_s_start"
      tl_say "${tl_f%/*}/in" q
    fi
  done
  tl_v=''
  for tl_e in $tl_supervisors; do tl_v="$tl_v ${tl_e%%:*}"; done
  tl_family "$tl_v"
  tl_own_pids=$tl_pids
  tl_gone_soon "$tl_supervisors"
  tl_pids=$tl_supervisors
  tl_signal KILL
  for tl_f in "$TL_ROOT"/s/*; do
    if [ -d "$tl_f" ]; then tl_bury "$tl_f"; fi
  done
  # Those that were the supervisors' and not a command's: the commands' are asked first.
  for tl_e in $tl_own_pids; do
    if tl_alive "${tl_e%%:*}" "${tl_e#*:}" && [ -n "$(tl_marked supervise "/proc/${tl_e%%:*}/cmdline")" ]; then kill -s KILL "${tl_e%%:*}"; fi
  done
}

# Jobs that calls of this host left running: they carry the handle of a record that is here. TERM, and then KILL.
tl_end_leftovers() {
  tl_tries=0
  while tl_leftovers && [ -n "$tl_pids" ] && [ "$tl_tries" -lt 60 ]; do
    case $tl_tries in
      0) tl_signal TERM ;;
      40 | 50) tl_signal KILL ;;
    esac
    tl_tries=$((tl_tries + 1))
    tl_nap
  done
}
tl_leftovers() {
  tl_pids=''
  for tl_f in $(tl_marked TOWLINE_EXECUTION= /proc/[0-9]*/environ); do
    tl_p=${tl_f#/proc/} tl_p=${tl_p%/environ}
    tl_h=$(tr '\0' '\n' <"$tl_f" | sed -n 's/^TOWLINE_EXECUTION=//p')
    tl_birth "$tl_p"
    if [ -n "$tl_v" ] && [ -n "$tl_h" ] && [ -e "$TL_ROOT/x/$tl_h" ] && [ "$tl_p" != "$tl_lane_pid" ]; then tl_pids="$tl_pids $tl_p:$tl_v"; fi
  done
}
