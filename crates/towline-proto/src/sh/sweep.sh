# Keeping house: what is over expires, what is bounded stays within its bounds, what nobody uses goes. Nothing that runs is ever
# swept, and no record of another node or another user is ever seen here.

# tl_sweep READ_DAYS UNREAD_DAYS RECORDS SPOOL_KIB IDLE_DAYS: outcomes that were read, and those that were not, expire after
# so many days; at most RECORDS of them and SPOOL_KIB of their output are kept, the oldest read ones going first, then the
# oldest unread; a session without a command for IDLE_DAYS ends.
tl_sweep() {
  if ! tl_sweeping; then return 0; fi
  tl_sweep_lanes
  tl_sweep_sessions "$5"
  tl_candidates "$1" "$2" | tl_over_bounds "$3" "$4" '' | tl_expire
  if [ "$2" -gt 0 ]; then tl_sweep_files "$2"; else tl_sweep_files 1; fi
  tl_sweep_index "$3"
  rm -f "$TL_ROOT/sweeping"
}

# tl_sweeping: one at a time; but the one who began may be gone.
tl_sweeping() {
  tl_own_birth
  tl_me="$tl_me $tl_v"
  if tl_create "$TL_ROOT/sweeping" "$tl_me"; then return 0; fi
  IFS=' ' read -r tl_s_pid tl_s_start <"$TL_ROOT/sweeping"
  if tl_alive "$tl_s_pid" "$tl_s_start"; then return 1; fi
  rm -f "$TL_ROOT/sweeping"
  tl_create "$TL_ROOT/sweeping" "$tl_me"
}

# Lanes whose process is gone left their directory.
tl_sweep_lanes() {
  for tl_f in "$TL_ROOT"/l/*; do
    tl_s_pid=0 tl_s_start=''
    if [ -s "$tl_f/pid" ]; then IFS=' ' read -r tl_s_pid tl_s_start tl_rest <"$tl_f/pid"; fi
    if [ -n "$tl_s_start" ] && ! tl_alive "$tl_s_pid" "$tl_s_start"; then
      # Its sender waits for words and does not know.
      tl_say "$tl_f/e" q
      rm -rf "$tl_f"
    fi
  done
}

# tl_find_running: sets tl_running to the names of sessions in which something runs, each between blanks.
tl_find_running() { tl_running=" $(tl_job_lines open 0 '?' | cut -d '|' -f 2 | tr '\n' ' ')"; }

# tl_sweep_sessions DAYS: sessions in which nothing runs and whose state is that old.
tl_sweep_sessions() {
  tl_find_running
  for tl_d in "$TL_ROOT"/s/*; do
    if [ ! -d "$tl_d" ] || [ -n "$(find "$tl_d" -prune -mtime "-$1")" ] || [ -n "$(find "$tl_d/cwd" "$tl_d/st.0" "$tl_d/st.1" -mtime "-$1")" ]; then continue; fi
    case $tl_running in *" ${tl_d##*/} "*) continue ;; esac
    tl_supervisor "$tl_d"
    if [ -n "$tl_live" ]; then tl_say "$tl_d/in" q; else tl_bury "$tl_d"; fi
  done
  # Whoever removed one may have been ended in the middle of it.
  for tl_d in "$TL_ROOT"/s/.[0-9]*; do
    tl_v=${tl_d##*/.}
    if [ -d "$tl_d" ] && ! tl_alive "${tl_v%%.*}" "${tl_v#*.}"; then rm -rf "$tl_d"; fi
  done
}

# tl_bury DIR: a session without a supervisor: its shells are ended, and it goes. False if a supervisor is coming up in it; the next
# number is claimed here, so that none does from now on.
tl_bury() {
  tl_n=1 tl_tries=0
  while [ -e "$1/g.$tl_n" ]; do
    if ! tl_claimed "$1/g.$tl_n"; then
      tl_n=$((tl_n + 1))
    elif [ -s "$1/g.$tl_n" ]; then
      return 1
    else
      tl_tries=$((tl_tries + 1))
      tl_nap
    fi
  done
  tl_own_birth
  tl_e=$tl_me.$tl_v
  # On a full disk it stays empty, and there is all the more reason to go on.
  if ! tl_create "$1/g.$tl_n" "$tl_me $tl_v" && [ -s "$1/g.$tl_n" ]; then return 1; fi
  for tl_f in "$1"/u.*; do
    if [ ! -s "$tl_f" ]; then continue; fi
    IFS=' ' read -r tl_s_pid tl_s_start tl_rest <"$tl_f"
    if tl_alive "$tl_s_pid" "$tl_s_start"; then kill -s KILL "$tl_s_pid"; fi
  done
  tl_remove "$1" "$tl_e"
}

# tl_candidates READ_DAYS UNREAD_DAYS: what is over, oldest first: `<handle> <spool> <read or unread> <old or ->`. An execution
# without an outcome is over if it is lost, and then expires as one that was not read.
tl_candidates() {
  # In the order in which they were asked for, as the index has it: a clock that was set tells no order.
  (
    cd "$TL_ROOT/x" || exit 1
    # shellcheck disable=SC2012 # handles are letters and digits
    {
      sed -e 's/^/i /' "$TL_ROOT/index"
      tl_find_old "$1" | sed -e 's/^/1 /'
      tl_find_old "$2" | sed -e 's/^/2 /'
      grep -s '^b ' ./* /dev/null | sed -e 's/^/b /'
      ls | sed -e 's/^/x /'
    } | awk '
      function tell(h) {
        if (over[h] || old[h])
          print h, (h in spool ? spool[h] : "-"), (read[h] ? "read" : "unread"), (old[h] || (read[h] && aged[h]) ? "old" : "-"), (over[h] ? "over" : "?")
      }
      $1 == "i" && $2 == "+" && !($3 in known) { known[$3] = 1; order[n++] = $3 }
      $1 == "i" && $2 == "-" { over[$3] = 1 }
      $1 == "i" && $2 == "r" { read[$3] = 1 }
      $1 == "1" { aged[substr($2, 3)] = 1 }
      $1 == "2" { old[substr($2, 3)] = 1 }
      $1 == "b" { split($2, part, ":"); h = substr(part[1], 3); if (!(h in spool)) spool[h] = $4 }
      $1 == "x" { here[$2] = 1; if (!($2 in known)) tell($2) }
      END { for (i = 0; i < n; i++) if (order[i] in here) tell(order[i]) }'
  ) | while IFS=' ' read -r tl_h tl_rest; do
    case $tl_rest in
      *'?')
        tl_state_of "$tl_h"
        case $tl_state in running | queued) continue ;; esac
        ;;
    esac
    printf '%s %s\n' "$tl_h" "${tl_rest% *}"
  done
}

# tl_find_old DAYS: files here that nobody wrote to for so many days; all of them for 0.
tl_find_old() {
  if [ "$1" -gt 0 ]; then find . -type f -mtime "+$(($1 - 1))"; else find . -type f; fi
}

# tl_over_bounds RECORDS KIB ALL: of the candidates, those that have to go: `<handle> <spool>`. The bytes of what is over are bounded;
# with ALL those of what runs count, too, and then only what was read makes room.
tl_over_bounds() {
  {
    # shellcheck disable=SC2012 # the names are our own, and ls alone tells sizes in one process
    ls -ln "$TL_ROOT/o" | awk 'NF > 7 { print "o", $5, $NF }'
    cat
  } | awk -v most="$1" -v kib="$2" -v all="$3" '
    BEGIN { n = 0 }
    $1 == "o" { bytes[$3] = $2; if (all) total += $2; next }
    { handle[n] = $1; spool[n] = $2; kind[n] = $3; old[n] = $4; known[$2] = 1; n++ }
    function weight(i) { return size[spool[i]] + 0 }
    # A spool, that of standard error, and the pieces of both are one.
    function whose(name) {
      if (name in known) return name
      if (!sub(/e$/, "", name)) { sub(/\.[0-9]+$/, "", name); if (name in known) return name; sub(/e$/, "", name) }
      return name
    }
    function go(i) { if (!gone[i]) { gone[i] = 1; left--; total -= weight(i); print handle[i], spool[i] } }
    END {
      left = n
      for (name in bytes) size[whose(name)] += bytes[name]
      if (!all) for (i = 0; i < n; i++) total += weight(i)
      for (i = 0; i < n; i++) if (old[i] == "old") go(i)
      for (round = 0; round < (all ? 1 : 2); round++)
        for (i = 0; i < n && (left > most || total > kib * 1024); i++)
          if (kind[i] == (round ? "unread" : "read") && (left > most || weight(i) > 0)) go(i)
    }'
}

# tl_make_room ROOT PROGRAM BOOT KIB: asked for by a pump that finds the host full: what was read goes, oldest first, until there is an
# eighth to spare.
tl_make_room() {
  TL_ROOT=$1 TL_PROGRAM=$2 TL_BOOT=$3
  LC_ALL=C
  umask 077
  if tl_sweeping; then
    tl_candidates 3650 3650 | tl_over_bounds 1000000 "$(($4 / 8 * 7))" all | tl_expire
    rm -f "$TL_ROOT/sweeping"
  fi
}

# tl_expire: removes what the lines name; the index keeps that they were there.
tl_expire() {
  while IFS=' ' read -r tl_h tl_sp; do
    tl_read_record "$tl_h"
    rm -f "$TL_ROOT/x/$tl_h" "$TL_ROOT/w/$tl_h"
    if [ "$tl_sp" != - ]; then rm -f "$TL_ROOT/o/$tl_sp" "$TL_ROOT/o/$tl_sp".[0-9]* "$TL_ROOT/o/${tl_sp}e" "$TL_ROOT/o/${tl_sp}e".[0-9]*; fi
    if [ -n "$tl_id" ]; then rm -f "$TL_ROOT/a/$tl_id".*; fi
    tl_append "$TL_ROOT/index" "e $tl_h"
  done
}

# tl_sweep_files DAYS: spools that no record names (prepared by a session that is gone), lists of lanes and arguments without
# their record, programs of other versions that nobody uses.
tl_sweep_files() {
  tl_used=" $(cat "$TL_ROOT"/s/*/cur "$TL_ROOT"/l/*/pid | tr '\n' ' ') ${TL_PROGRAM##*/} "
  (cd "$TL_ROOT" && find o w a -type f -mtime "+$(($1 - 1))" && find . -name 'p-*' -type f -mtime +0) | while IFS='' read -r tl_f; do
    tl_name=${tl_f##*/}
    case $tl_f in
      w/*) if [ ! -e "$TL_ROOT/x/$tl_name" ]; then rm -f "$TL_ROOT/$tl_f"; fi ;;
      a/*) if ! grep -q -s -e "^${tl_name%.?} " "$TL_ROOT"/x/*; then rm -f "$TL_ROOT/$tl_f"; fi ;;
      o/*)
        tl_v=${tl_name%.*}
        if tl_nobodys "${tl_name%e}" && tl_nobodys "${tl_v%e}"; then rm -f "$TL_ROOT/$tl_f"; fi
        ;;
      */p-*) case $tl_used in *" ${tl_name%.*} "*) ;; *) rm -f "$TL_ROOT/$tl_f" ;; esac ;;
    esac
  done
}
# tl_nobodys SPOOL: whether no session has it ready and no record names it.
tl_nobodys() {
  [ ! -d "$TL_ROOT/s/${1%.*.*}" ] && ! grep -q -s -e "^b [^ ]* $1 " "$TL_ROOT"/x/*
}

# tl_sweep_index RECORDS: an index that grew to several times its use is written anew, without what expired long ago. What
# others append to the old one meanwhile is added to the new one.
tl_sweep_index() {
  if [ "$(wc -l <"$TL_ROOT/index")" -le "$(($1 * 6))" ]; then return 0; fi
  exec 9<"$TL_ROOT/index"
  awk -v most="$1" '
    $1 == "e" { expired[$2] = ++n }
    { line[NR] = $0; of[NR] = $2; kind[NR] = $1 }
    END {
      for (i = 1; i <= NR; i++)
        if (!(of[i] in expired) || (kind[i] == "e" && expired[of[i]] == 0 + expired[of[i]] && expired[of[i]] > n - most)) print line[i]
    }' <&9 >"$TL_ROOT/index.new" && mv "$TL_ROOT/index.new" "$TL_ROOT/index"
  sleep 1
  cat <&9 >>"$TL_ROOT/index"
  exec 9<&-
}
