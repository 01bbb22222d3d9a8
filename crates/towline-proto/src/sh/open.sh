# The opening of a lane: its place on the host, what is its own there, the session that is wanted at once, and hello. It is all that is read
# before that; what serves requests is read while the session comes up. Processes are few here: each costs the first answer milliseconds.
#
# Set by the line that received this: k the key of these programs, c the text before this one, which supervisors have too; o and q how many
# bytes follow: the shell's program, and the rest of this one; w the session (or nothing).

tl_lane_open() {
  TL_UMASK=$(umask)
  TL_USER_LC_ALL=${LC_ALL-}
  LC_ALL=C
  export LC_ALL
  umask 077
  set +C
  # A forwarded agent is for the calls that ask for it: sessions outlive this connection, and are found by whoever knows their name.
  TL_AGENT=''
  case ${SSH_AUTH_SOCK-} in
    *\\*) ;;
    */ssh-*/agent.* | */.ssh/agent/* | */dropbear-*/auth-*) TL_AGENT=$SSH_AUTH_SOCK && unset SSH_AUTH_SOCK ;;
  esac
  tl_own_birth
  tl_lane_pid=$tl_me tl_lane_start=$tl_v
  TL_LANE_ID=$tl_me.${tl_v#?}
  # shellcheck disable=SC2154 # from the line that received this
  if ! tl_take_text "$o" || ! s=$tl_v || ! tl_take_text "$q" || ! h=$tl_v; then exit 1; fi
  if ! tl_place || ! tl_settle_in; then
    printf 'n 0 %s\n%s' "${#tl_v}" "$tl_v"
    exit 1
  fi
  trap 'exit 0' HUP PIPE TERM
  trap 'rm -rf "$TL_TMP"' EXIT
  # Nobody reads what a shell says beside the protocol.
  exec 2>/dev/null
  if [ -n "$tl_dir" ]; then tl_spawn "$tl_dir" - 1; fi
  tl_now
  tl_v="root=$TL_ROOT
state=$TL_STATE
boot=$TL_BOOT
node=$TL_NODE
clock=$tl_v
lane=$TL_SELF
shell=$TL_USER_SHELL
layout=1
"
  printf 'h 0 %s\n%s' "${#tl_v}" "$tl_v"
}

# tl_take_text COUNT: sets tl_v to so many bytes of stdin, text whose last line is whole; false if that ends before: half a program must never
# be kept for others.
tl_take_text() {
  if [ -n "$TL_FAST" ]; then
    # shellcheck disable=SC3045 # bash alone
    IFS='' read -r -N "$1" tl_v
    return
  fi
  tl_v=$(dd ibs=1 obs=65536 count="$1" 2>/dev/null)
  # The substitution leaves out the last newline.
  [ "$((${#tl_v} + 1))" -eq "$1" ]
}

# tl_place: finds or makes the state directory: private, ours, not a link. Sets TL_ROOT, TL_PROGRAM and TL_TMP, and tl_new if all of it
# was made; tl_v is why not.
tl_place() {
  TL_BOOT=- TL_NODE='' tl_line='' tl_new=''
  if [ -r /proc/sys/kernel/random/boot_id ]; then read -r TL_BOOT </proc/sys/kernel/random/boot_id; fi
  if [ -r /proc/sys/kernel/hostname ]; then read -r TL_NODE </proc/sys/kernel/hostname; else TL_NODE=$(uname -n); fi
  if [ -r /etc/machine-id ]; then read -r tl_line </etc/machine-id; fi
  case $TL_NODE in *[!A-Za-z0-9._-]* | '' | .*) TL_NODE=node ;; esac
  TL_NODE=$TL_NODE-${tl_line%"${tl_line#????????}"}
  # Bash knows whom it serves without asking a program.
  # shellcheck disable=SC3028 # bash alone comes to it
  if [ -n "$TL_FAST" ]; then tl_uid=$EUID; else tl_uid=$(id -u); fi
  for tl_base in "${XDG_STATE_HOME:-${HOME:+$HOME/.local/state}}" "/var/tmp/towline-$tl_uid" "/tmp/towline-$tl_uid"; do
    if [ -z "$tl_base" ]; then continue; fi
    for tl_f in "$tl_base"/towline/v*; do
      case ${tl_f##*/} in v1 | 'v*') ;; *) tl_v="a newer towline keeps its state there: $tl_f" && return 1 ;; esac
    done
    TL_ROOT=$tl_base/towline/v1/$TL_NODE
    TL_TMP=$TL_ROOT/l/$TL_LANE_ID
    if ! tl_taken "$tl_base"; then
      if [ -d "$TL_ROOT/w" ] && [ -w "$TL_ROOT/w" ] && tl_ours "$tl_base/towline"; then break; fi
      if tl_make_dirs; then break; fi
    fi
    TL_ROOT=''
  done
  if [ -z "$TL_ROOT" ]; then tl_v='no private place for state' && return 1; fi
  tl_identify
  # shellcheck disable=SC2154 # as above
  TL_PROGRAM=$TL_ROOT/p-$k
}

# tl_identify: sets TL_STATE to what tells this directory from one that was here before, or on another host: the first whole line of
# its file. Empty if it cannot be written down.
tl_identify() {
  TL_STATE=''
  if [ ! -s "$TL_ROOT/id" ]; then
    tl_now
    tl_append "$TL_ROOT/id" "$TL_NODE.$TL_BOOT.$tl_lane_pid.$tl_v ." 2>/dev/null
  fi
  while IFS=' ' read -r tl_v tl_rest; do
    if [ "$tl_rest" = . ]; then TL_STATE=$tl_v && break; fi
  done <"$TL_ROOT/id"
}

# tl_make_dirs: w is made last: where it is, all are. What is made in one step, and was not there before, is ours, and nobody else may enter it,
# whatever is inherited from above. The highest of them is noted, so that it can go again.
tl_make_dirs() {
  tl_made='' tl_above=$tl_base
  set -- "$tl_base/towline" "$tl_base/towline/v1" "$TL_ROOT" "$TL_ROOT/x" "$TL_ROOT/a" "$TL_ROOT/o" "$TL_ROOT/s" "$TL_ROOT/l" "$TL_ROOT/k" "$TL_TMP" ${w:+"$TL_ROOT/s/$w"} "$TL_ROOT/w"
  while [ -n "$tl_above" ] && [ ! -e "$tl_above" ]; do
    set -- "$tl_above" "$@"
    tl_made=$tl_above tl_above=${tl_above%/*}
  done
  if [ ! -e "$tl_base/towline" ] && mkdir -m 700 "$@" 2>/dev/null; then tl_new=1; else mkdir -p "$tl_base/towline" 2>/dev/null; fi
  if [ -n "$tl_made" ] && [ ! -s "$tl_base/towline/made" ]; then printf '%s\n' "$tl_made" >"$tl_base/towline/made"; fi 2>/dev/null
  if [ -n "$tl_new" ]; then return 0; fi
  mkdir -p "$@" 2>/dev/null && [ -w "$TL_ROOT/w" ] && ! tl_taken "$tl_base" && tl_ours "$tl_base/towline"
}

# tl_ours DIR: a directory of this user's, no link, that nobody else may enter; its mode is mended if it is ours.
tl_ours() {
  if [ -L "$1" ] || [ ! -d "$1" ]; then return 1; fi
  # shellcheck disable=SC2012 # the one POSIX way to an owner and a mode
  tl_line=$(ls -ldn "$1") || return 1
  # shellcheck disable=SC2086 # splitting is the purpose
  set -- "$1" $tl_line
  if [ "$4" != "$tl_uid" ]; then return 1; fi
  case $2 in drwx------*) ;; *) chmod 700 "$1" || return 1 ;; esac
}

# tl_taken DIR: in a directory where everybody may write, somebody else has this name, or a link bears it: its owner could change at any
# time what lies below.
tl_taken() {
  case $1 in
    */tmp/towline-*/*) return 1 ;;
    */tmp/towline-*) if [ -e "$1" ] || [ -L "$1" ]; then ! tl_ours "$1"; else return 1; fi ;;
    *) return 1 ;;
  esac
}

# tl_settle_in: what is this lane's own: a directory and FIFOs; the same for the session that is wanted, if it was not there (then tl_dir is
# set); and the programs, in files.
tl_settle_in() {
  tl_dir=${w:+$TL_ROOT/s/$w}
  if [ -z "$tl_new" ]; then
    if [ -e "$tl_dir" ]; then tl_dir=''; fi
    # Another lane may have made the session's in this moment, and sees to it.
    mkdir "$TL_TMP" ${tl_dir:+"$tl_dir"} || tl_dir=''
  fi 2>/dev/null
  # shellcheck disable=SC2034 # the file tools lock here, against every other lane of this user
  TL_LOCKS=$TL_ROOT/k
  if {
    mkfifo "$TL_TMP/e" "$TL_TMP/m" "$TL_TMP/t" ${tl_dir:+"$tl_dir/in" "$tl_dir/p.1.1" "$tl_dir/c.1001"} || tl_dir=''
    [ -p "$TL_TMP/e" ] && [ -p "$TL_TMP/m" ] && [ -p "$TL_TMP/t" ] &&
      printf '%s %s %s .\n' "$tl_lane_pid" "$tl_lane_start" "${TL_PROGRAM##*/}" >"$TL_TMP/pid" && tl_store
  } 2>/dev/null; then
    exec 7<>"$TL_TMP/e" 8<>"$TL_TMP/m" 9<>"$TL_TMP/t"
    echo . >&8
    echo . >&9
  else
    rm -rf "$TL_TMP"
    tl_v="state not writable: $TL_ROOT" && return 1
  fi
}

# tl_store: the programs for supervisors and for shells, whole or not at all.
tl_store() {
  if [ -e "$TL_PROGRAM.shell" ]; then return 0; fi
  tl_v=$TL_TMP/${TL_PROGRAM##*/}
  # shellcheck disable=SC2154 # as above
  printf '%s\n%s\n' "$c" "$h" >"$tl_v.host" && printf '%s\n' "$s" >"$tl_v.shell" && mv "$tl_v.host" "$tl_v.shell" "$TL_ROOT"
}

# tl_spawn DIR ONCE NUMBER: starts a supervisor that outlives this lane.
tl_spawn() {
  (
    exec 7>&- 8>&- 9>&- </dev/null >/dev/null 2>&1
    trap - HUP INT QUIT PIPE TERM
    # shellcheck disable=SC2086 # the shell may be several words
    tl_apart $TL_SELF "$TL_PROGRAM.host" supervise "$@" "$TL_ROOT" "$TL_PROGRAM" "$TL_BOOT" "$TL_UMASK" "$TL_USER_LC_ALL" "$TL_SELF" "$TL_USER_SHELL"
  ) &
}

tl_lane_open
# What was only needed to come here would be copied with every fork.
eval "unset c l s h k n m o q w B
$h"
