# The lane: one SSH channel, any number of requests. It reads requests from stdin and never lets one hold up another:
# what takes time is forked or handed to a session; starting a command needs no fork at all.
#
# Request:  `<number> <op> <arguments> <bytes>` on a line, then that many argument lines (backslash and newline written
#           \\ and \n), then that many bytes of payload.
# Frame:    `<tag> <key> <bytes>` on a line, then the bytes; each is written whole, under a lock that is a token in a
#           FIFO. Tags: h hello - b part of a reply - r end of a reply (its text is the status) - o, t, f, u parts of an
#           execution's output (head, tail; head and tail of standard error) - x an execution's outcome - n refused -
#           g how an attached execution stands.
# fd 7: what sessions tell this lane. fd 8: the lock.

# tl_frame TAG KEY TEXT: sends a text without NUL as one frame.
tl_frame() {
  read -r tl_token <&8
  printf '%s %s %s\n%s' "$1" "$2" "${#3}" "$3"
  echo . >&8
}

# tl_send_file TAG KEY FILE OFFSET COUNT: sends bytes of a file in frames of at most 32 KiB, each under the lock by
# itself, so that others go between.
tl_send_file() {
  tl_sent=0
  while [ "$tl_sent" -lt "$5" ]; do
    tl_part=$(($5 - tl_sent))
    if [ "$tl_part" -gt 32768 ]; then tl_part=32768; fi
    read -r tl_token <&8
    printf '%s %s %s\n' "$1" "$2" "$tl_part"
    tail -c "+$(($4 + tl_sent + 1))" "$3" | tl_first "$tl_part"
    echo . >&8
    tl_sent=$((tl_sent + tl_part))
  done
}

# tl_reply KEY STATUS FILE: a reply whose body is in a file that this lane owns.
tl_reply() {
  if [ -s "$3" ]; then
    if [ -n "${BASH_VERSION-}" ] && ! IFS='' read -r -d '' -n 32769 tl_body <"$3" && [ "${#tl_body}" -le 32768 ]; then
      tl_frame b "$1" "$tl_body"
    else
      tl_size "$3"
      tl_send_file b "$1" "$3" 0 "$tl_v"
    fi
  fi
  tl_frame r "$1" "$2"
}

# --- setting up --------------------------------------------------------------------------------------------------

tl_lane_main() {
  TL_UMASK=$(umask)
  TL_USER_LC_ALL=${LC_ALL-}
  LC_ALL=C
  export LC_ALL
  umask 077
  set +C
  tl_place || { printf 'n 0 %s\n%s' "${#tl_v}" "$tl_v" && exit 1; }
  tl_own_pid
  tl_birth "$tl_v" && TL_LANE_ID=$$.${tl_v#?}
  TL_TMP=$TL_ROOT/l/$TL_LANE_ID
  { mkdir "$TL_TMP" && mkfifo "$TL_TMP/e" "$TL_TMP/m"; } 2>/dev/null || { tl_v='state unusable' && printf 'n 0 14\n%s' "$tl_v" && exit 1; }
  exec 7<>"$TL_TMP/e" 8<>"$TL_TMP/m"
  echo . >&8
  trap 'exit 0' HUP PIPE TERM
  trap tl_lane_end EXIT
  tl_sender </dev/null &
  tl_now
  tl_frame h 0 "root=$TL_ROOT
boot=$TL_BOOT
node=$TL_NODE
clock=$tl_v
lane=$TL_SELF
shell=$TL_USER_SHELL
layout=1
"
  tl_serve
}

# tl_place: finds or makes the state directory: private, ours, not a link. Sets TL_ROOT and TL_PROGRAM.
tl_place() {
  TL_BOOT=- TL_NODE='' tl_line=''
  if [ -r /proc/sys/kernel/random/boot_id ]; then read -r TL_BOOT </proc/sys/kernel/random/boot_id; fi
  if [ -r /proc/sys/kernel/hostname ]; then read -r TL_NODE </proc/sys/kernel/hostname; else TL_NODE=$(uname -n); fi
  if [ -r /etc/machine-id ]; then read -r tl_line </etc/machine-id; fi
  case $TL_NODE in *[!A-Za-z0-9._-]* | '' | .*) TL_NODE=node ;; esac
  TL_NODE=$TL_NODE-${tl_line%"${tl_line#????????}"}
  for tl_base in "${XDG_STATE_HOME:-${HOME:-/nonexistent}/.local/state}" "/var/tmp/towline-$(id -u)" "/tmp/towline-$(id -u)"; do
    TL_ROOT=$tl_base/towline/v1/$TL_NODE
    if [ -d "$TL_ROOT/x" ] && tl_ours "$tl_base/towline"; then break; fi
    if mkdir -p "$TL_ROOT/x" "$TL_ROOT/s" "$TL_ROOT/l" "$TL_ROOT/o" 2>/dev/null && tl_ours "$tl_base/towline"; then break; fi
    TL_ROOT=''
  done
  if [ -z "$TL_ROOT" ]; then tl_v='no private place for state' && return 1; fi
  # shellcheck disable=SC2154 # p, s and k come from the one line that started this program
  TL_PROGRAM=$TL_ROOT/p-$k
  if [ ! -e "$TL_PROGRAM.shell" ]; then
    # shellcheck disable=SC2154
    { printf '%s\n' "$p" >"$TL_PROGRAM.$$" && mv "$TL_PROGRAM.$$" "$TL_PROGRAM.host" &&
      printf '%s\n' "$s" >"$TL_PROGRAM.$$" && mv "$TL_PROGRAM.$$" "$TL_PROGRAM.shell"; } 2>/dev/null || { tl_v='state not writable' && return 1; }
  fi
}

# tl_ours DIR: a directory of this user's, no link, that nobody else may enter; its mode is mended if it is ours.
tl_ours() {
  if [ -L "$1" ] || [ ! -d "$1" ]; then return 1; fi
  # shellcheck disable=SC2012 # the one POSIX way to an owner and a mode
  tl_line=$(ls -ldn "$1") || return 1
  # shellcheck disable=SC2086 # splitting is the purpose
  set -- "$1" $tl_line
  if [ "$4" != "$(id -u)" ]; then return 1; fi
  case $2 in drwx------*) ;; *) chmod 700 "$1" || return 1 ;; esac
}

tl_lane_end() {
  tl_say "$TL_TMP/e" q
  rm -rf "$TL_TMP"
}

# --- requests ----------------------------------------------------------------------------------------------------

tl_serve() {
  while IFS=' ' read -r TL_REQ tl_op tl_n tl_bytes; do
    set --
    while [ "$tl_n" -gt 0 ]; do
      IFS='' read -r tl_line || return 0
      set -- "$@" "$tl_line"
      tl_n=$((tl_n - 1))
    done
    if [ "$tl_bytes" -gt 0 ]; then tl_take_payload "$tl_bytes" || return 0; fi
    case $tl_op in
      ping) tl_frame r "$TL_REQ" 0 ;;
      run) tl_run "$@" ;;
      wait) tl_wait "$1" ;;
      over) tl_over "$1" ;;
      put) mv "$TL_TMP/$TL_REQ.p" "$TL_TMP/$1.p" ;;
      *) tl_work "$tl_op" "$@" & ;;
    esac
  done
}

# tl_take_payload COUNT: exactly COUNT bytes of stdin. GNU head reads no byte more; the others do, so dd reads singly.
tl_take_payload() {
  if [ -z "${tl_exact-}" ]; then
    tl_exact=no
    case $(printf abc | { head -c 1 2>/dev/null && cat; } | wc -c) in *3*) tl_exact=yes ;; esac
    case $(printf abc | { head -c 1 >/dev/null 2>&1; cat; }) in bc) ;; *) tl_exact=no ;; esac
  fi
  if [ "$tl_exact" = yes ]; then
    head -c "$1" >"$TL_TMP/$TL_REQ.p"
  else
    dd ibs=1 obs=65536 count="$1" 2>/dev/null >"$TL_TMP/$TL_REQ.p"
  fi
}

# tl_work OP ARGUMENTS: one request that may take its time, in a process of its own.
tl_work() {
  trap - EXIT
  exec </dev/null 7>&-
  tl_body_file=$TL_TMP/$TL_REQ.b
  case $1 in
    tool) tl_tool "$@" >"$tl_body_file" 2>/dev/null ;;
    output) tl_decode "$9" && tl_output "$2" "$3" "$4" "$5" "$6" "$7" "$8" "$tl_v" >"$tl_body_file" 2>/dev/null ;;
    stop) tl_stop "$2" "$3" >"$tl_body_file" 2>/dev/null ;;
    jobs) tl_jobs "$2" >"$tl_body_file" 2>/dev/null ;;
    session) tl_session_facts "$2" >"$tl_body_file" 2>/dev/null ;;
    end) tl_session_end "$2" >"$tl_body_file" 2>/dev/null ;;
    facts) tl_facts >"$tl_body_file" 2>/dev/null ;;
    *) false ;;
  esac
  tl_reply "$TL_REQ" "$?" "$tl_body_file"
  rm -f "$TL_TMP/$TL_REQ".*
}

# tl_tool tool NAME SESSION ARGUMENTS: a file tool, in the session's directory.
tl_tool() {
  tl_name=$2
  case $tl_name in *[!a-z]* | '') return 1 ;; esac
  tl_cwd=${HOME:-/}
  if [ -r "$TL_ROOT/s/$3/cwd" ]; then tl_read_cwd "$TL_ROOT/s/$3/cwd"; fi
  cd -- "$tl_cwd" 2>/dev/null || { echo "nocwd $tl_cwd" && return 1; }
  if [ -e "$TL_TMP/$TL_REQ.p" ]; then exec <"$TL_TMP/$TL_REQ.p"; fi
  tl_count=$#
  while [ "$tl_count" -gt 3 ]; do
    tl_decode "$4"
    tl_a=$1 tl_b=$2 tl_c=$3
    shift 4
    set -- "$tl_a" "$tl_b" "$tl_c" "$@" "$tl_v"
    tl_count=$((tl_count - 1))
  done
  shift 3
  "tl_tool_$tl_name" "$@"
}

# tl_run HANDLE ID DIGEST SESSION MODE FLAGS LIMIT COMMAND [DIRECTORY NAME=VALUE...]: starts an execution, or attaches to
# it if it was started before. MODE: s in the session, c in a copy. FLAGS: e apart, i stdin is the payload, p the command is the
# payload, o directory or variables follow, b nobody waits. No fork on the way of the plain case.
tl_run() {
  tl_x=$TL_ROOT/x/$1
  set -C
  { printf '%s %s %s %s %s %s %s\n' "$2" "$3" "$4" "$6-" "$7" "$5" . >"$tl_x.c"; } 2>/dev/null
  tl_rc=$?
  set +C
  if [ "$tl_rc" -ne 0 ]; then
    tl_id='' tl_digest=''
    { IFS=' ' read -r tl_id tl_digest tl_rest <"$tl_x.c"; } 2>/dev/null || { tl_frame n "$1" state && return 0; }
    if [ "$tl_id" != "$2" ]; then tl_frame n "$1" taken && return 0; fi
    if [ "$tl_digest" != "$3" ]; then tl_frame n "$1" digest && return 0; fi
  fi
  case $6 in *b*) ;; *) echo "$TL_LANE_ID" >>"$tl_x.w" ;; esac
  if [ -e "$tl_x.b" ]; then tl_wait "$1" && return 0; fi
  case $6 in
    *p*) mv "$TL_TMP/$TL_REQ.p" "$tl_x.x" ;;
    *) printf '%b' "$8" 1<>"$tl_x.x" || { tl_frame n "$1" state && return 0; } ;;
  esac
  case $6 in *i*p* | *p*i*) ;; *i*) mv "$TL_TMP/$TL_REQ.p" "$tl_x.i" ;; esac
  tl_h=$1 tl_session=$4 tl_mode=$5
  case $6 in
    *o*)
      shift 8
      printf '%s\n' "$@" 1<>"$tl_x.o"
      ;;
  esac
  if [ "$tl_mode" = s ]; then
    tl_supervisor "$TL_ROOT/s/$tl_session"
    if [ -n "$tl_number" ]; then
      tl_say "$TL_ROOT/s/$tl_session/in.$tl_number" "x $tl_h"
      return 0
    fi
  fi
  tl_start "$tl_h" "$tl_session" "$tl_mode" &
}

# tl_start HANDLE SESSION MODE: the slow way: a session has to be started first, or a copy of one.
tl_start() {
  trap - EXIT
  exec </dev/null 7>&-
  tl_ensure "$2"
  if [ -z "$tl_number" ]; then tl_frame n "$1" session && return 1; fi
  if [ "$3" = s ]; then
    tl_say "$TL_ROOT/s/$2/in.$tl_number" "x $1"
  else
    tl_dir=$TL_ROOT/s/@$1
    mkdir "$tl_dir" 2>/dev/null || return 0
    if [ -r "$TL_ROOT/s/$2/cwd" ]; then cat "$TL_ROOT/s/$2/cwd" >"$tl_dir/cwd"; fi
    tl_spawn "$tl_dir" "$TL_ROOT/s/$2" "$1" 1
  fi
}

# tl_supervisor DIR: sets tl_number to the number of that session's live supervisor, or to nothing.
tl_supervisor() {
  tl_number='' tl_s_pid='' tl_s_start=''
  if [ ! -r "$1/cur" ]; then return 0; fi
  { IFS=' ' read -r tl_number tl_s_pid tl_s_start tl_rest <"$1/cur"; } 2>/dev/null
  if ! tl_alive "$tl_s_pid" "$tl_s_start"; then tl_number=''; fi
}

# tl_ensure SESSION: waits until the session has a supervisor with a shell that is ready; starts one if need be.
tl_ensure() {
  tl_dir=$TL_ROOT/s/$1 tl_tries=0
  mkdir -p "$tl_dir"
  while [ "$tl_tries" -lt 600 ]; do
    tl_supervisor "$tl_dir"
    if [ -n "$tl_number" ]; then
      if [ -e "$tl_dir/ready" ]; then return 0; fi
    else
      tl_next=1
      while [ -e "$tl_dir/g.$tl_next" ] && ! tl_claimed "$tl_dir/g.$tl_next"; do tl_next=$((tl_next + 1)); done
      if [ ! -e "$tl_dir/g.$tl_next" ]; then
        rm -f "$tl_dir/ready" "$tl_dir/cur"
        tl_spawn "$tl_dir" - - "$tl_next"
      fi
    fi
    tl_tries=$((tl_tries + 1))
    sleep 0.01 2>/dev/null || sleep 1
  done
  tl_number=''
}

# tl_claimed FILE: whether the one who claimed this number still lives (it may be about to come up).
tl_claimed() {
  tl_s_pid='' tl_s_start=''
  { IFS=' ' read -r tl_s_pid tl_s_start <"$1"; } 2>/dev/null
  tl_alive "$tl_s_pid" "$tl_s_start"
}

# tl_spawn DIR BASE ONCE NUMBER: starts a supervisor that outlives this lane.
tl_spawn() {
  (
    if [ -n "$TL_USER_LC_ALL" ]; then LC_ALL=$TL_USER_LC_ALL; else unset LC_ALL; fi
    exec 8>&-
    # shellcheck disable=SC2086 # the shell may be several words
    tl_apart $TL_SELF "$TL_PROGRAM.host" supervise "$@" "$TL_ROOT" "$TL_PROGRAM" "$TL_BOOT" "$TL_UMASK" "$TL_SELF" "$TL_USER_SHELL" </dev/null >/dev/null 2>&1
  ) &
}

# tl_wait HANDLE: this lane wants to be woken at the execution's end; if that has come, it is told now; else g tells how it
# stands: begun or not, and if it was never begun and its session is gone, it is begun now (its .b file guards it).
tl_wait() {
  tl_x=$TL_ROOT/x/$1
  echo "$TL_LANE_ID" >>"$tl_x.w"
  if [ -e "$tl_x.s" ]; then
    echo "x $1" >&7
  else
    tl_revive "$1" &
  fi
}
tl_revive() {
  trap - EXIT
  exec </dev/null
  tl_state_of "$1"
  case $tl_state in
    queued)
      if IFS=' ' read -r tl_id tl_digest tl_session tl_c_flags tl_limit tl_mode tl_rest <"$tl_x.c"; then
        if [ "$tl_mode" = s ]; then tl_start "$1" "$tl_session" s; elif [ ! -d "$TL_ROOT/s/@$1" ]; then tl_start "$1" "$tl_session" c; fi
      fi
      ;;
    lost*) tl_frame x "$1" "$tl_state
?" ;;
    exit* | kill* | never*) echo "x $1" >&7 ;;
  esac
  tl_frame g "$1" "$tl_state"
}

# tl_over HANDLE: the execution goes on without its session, which takes the next command with its state as before.
tl_over() {
  tl_x=$TL_ROOT/x/$1
  if [ -r "$tl_x.b" ]; then
    IFS=' ' read -r tl_name tl_rest <"$tl_x.b"
    tl_supervisor "$TL_ROOT/s/$tl_name"
    if [ -n "$tl_number" ]; then tl_say "$TL_ROOT/s/$tl_name/in.$tl_number" "h $1"; fi
  fi
}

# tl_jobs ALL: a line for each execution that runs or was not read: handle|session|state|age|command.
tl_jobs() {
  tl_now
  tl_t=$tl_v
  for tl_f in "$TL_ROOT"/x/*.c; do
    tl_h=${tl_f##*/}
    tl_h=${tl_h%.c}
    if [ "$tl_h" = '*' ]; then continue; fi
    if [ "$1" != all ] && [ -e "$TL_ROOT/x/$tl_h.r" ]; then continue; fi
    IFS=' ' read -r tl_rest tl_rest tl_session tl_rest <"$tl_f"
    tl_state_of "$tl_h"
    IFS='' read -r tl_line <"$TL_ROOT/x/$tl_h.x" || :
    printf '%s|%s|%s|%s|%s\n' "$tl_h" "$tl_session" "$tl_state" "$((tl_t - ${tl_began:-$tl_t}))" "$tl_line"
  done
}

# tl_session_facts SESSION: makes sure that the session is there; prints how it stands.
tl_session_facts() {
  tl_was=old
  tl_supervisor "$TL_ROOT/s/$1"
  if [ -z "$tl_number" ]; then tl_was=new; fi
  tl_ensure "$1"
  if [ -z "$tl_number" ]; then echo 'session did not start' && return 1; fi
  tl_cwd=${HOME:-/}
  if [ -r "$TL_ROOT/s/$1/cwd" ]; then tl_read_cwd "$TL_ROOT/s/$1/cwd"; fi
  printf '%s\n%s\n' "$tl_was" "$tl_cwd"
}

# tl_session_end SESSION: ends the session's shell, once it is idle; its executions' outcomes stay.
tl_session_end() {
  tl_supervisor "$TL_ROOT/s/$1"
  if [ -z "$tl_number" ]; then echo none && return 0; fi
  tl_say "$TL_ROOT/s/$1/in.$tl_number" q
  tl_tries=0
  while [ -e "$TL_ROOT/s/$1" ] && [ "$tl_tries" -lt 40 ]; do
    tl_tries=$((tl_tries + 1))
    tl_nap
  done
  if [ -e "$TL_ROOT/s/$1" ]; then echo busy; else echo ended; fi
}

# tl_facts: what the host is and has.
tl_facts() {
  printf 'system=%s\nuser=%s\nhome=%s\nlogin_shell=%s\npath=%s\n' "$(uname -srm)" "$(id -un)" "${HOME-}" "${SHELL-}" "$PATH"
  for tl_f in bash rg git tmux rsync setsid stat sha256sum python3 perl sudo; do
    if tl_line=$(command -v "$tl_f"); then printf 'has %s=%s\n' "$tl_f" "$tl_line"; else printf 'has %s=\n' "$tl_f"; fi
  done
  df -Pk "$TL_ROOT" | tail -n 1
}

# --- sending -----------------------------------------------------------------------------------------------------

# tl_sender: waits for words from sessions and sends outcomes; small ones itself, large ones by a fork.
tl_sender() {
  trap - EXIT
  while read -r tl_word tl_h <&7; do
    case $tl_word in
      x) tl_send_outcome "$tl_h" ;;
      q) exit 0 ;;
    esac
  done
}

tl_send_outcome() {
  if ! tl_outcome "$TL_ROOT/x/$1.s"; then return 0; fi
  tl_outcome_text=$tl_state$tl_nl$tl_cwd
  case $tl_state in never*) tl_frame x "$1" "$tl_outcome_text" && return 0 ;; esac
  IFS=' ' read -r tl_id tl_digest tl_session tl_c_flags tl_rest <"$TL_ROOT/x/$1.c"
  IFS=' ' read -r tl_name tl_spool tl_rest <"$TL_ROOT/x/$1.b"
  tl_spool=$TL_ROOT/o/$tl_spool
  case $tl_c_flags in
    *e*) ;;
    *)
      if [ ! -s "$tl_spool" ]; then
        tl_frame x "$1" "$tl_outcome_text" && return 0
      fi
      if [ -n "${BASH_VERSION-}" ] && ! IFS='' read -r -d '' -n 32769 tl_body <"$tl_spool" && [ "${#tl_body}" -le 32768 ]; then
        tl_frame o "$1" "$tl_body"
        tl_frame x "$1" "$tl_outcome_text"
        return 0
      fi
      ;;
  esac
  tl_send_spools "$1" &
}

# tl_send_spools HANDLE: head and tail of the stream, or of both, then the outcome with the sizes.
tl_send_spools() {
  exec </dev/null
  tl_send_spool o t "$1" "$tl_spool"
  case $tl_c_flags in *e*) tl_send_spool f u "$1" "${tl_spool}e" ;; esac
  tl_frame x "$1" "$tl_outcome_text"
}

# tl_send_spool HEADTAG TAILTAG HANDLE SPOOL: all of it up to 32 KiB; else 16 KiB of each end, and a first line with
# the sizes in the tail's frame.
tl_send_spool() {
  tl_extent "$4"
  if [ "$tl_total" -le 32768 ]; then
    tl_send_file "$1" "$3" "$4" 0 "$tl_total"
    return 0
  fi
  tl_send_file "$1" "$3" "$4" 0 16384
  tl_slice "$4" "$((tl_total - 16384))" 16384 >"$TL_TMP/$3.t"
  tl_frame "$2" "$3" "$tl_total $((tl_from - tl_head))
"
  tl_size "$TL_TMP/$3.t"
  tl_send_file "$2" "$3" "$TL_TMP/$3.t" 0 "$tl_v"
  rm -f "$TL_TMP/$3.t"
}
