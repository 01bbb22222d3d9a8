# Common ground of every towline program on the host: the state directory, time, the life of processes, escapes.
# Needs nothing but a POSIX shell; what a better system offers is used where it is there. Names begin with tl_ or TL_.
# Nothing here is ever text from an agent: arguments are data, and printf's %b alone undoes their escapes.

if [ -n "${ZSH_VERSION-}" ]; then emulate sh; fi
tl_nl='
'
TL_IFS=" 	$tl_nl"
IFS=$TL_IFS
# With it a bash gives up a read after so many seconds; here the next word may come after days.
unset TMOUT
# The shell that runs our own programs, and the shell of sessions; tests set both. Bash runs them where it is there at all, and knows where it is.
if [ -z "${BASH_VERSION-}" ]; then BASH=''; fi
if [ -z "${TL_SELF-}" ]; then TL_SELF=${BASH:-/bin/sh}; fi
if [ -z "${TL_USER_SHELL-}" ]; then TL_USER_SHELL=${BASH:-$(command -v bash)} || TL_USER_SHELL=/bin/sh; fi
# Bash can read with a time limit and to a NUL: with that, small outputs need no process of their own.
TL_FAST=''
case ${BASH_VERSION-} in '' | [0-4].*) ;; *) TL_FAST=1 ;; esac

# tl_decode TEXT: sets tl_v to TEXT with its \\ and \n escapes undone.
tl_decode() {
  # shellcheck disable=SC3045 # bash alone has -v
  case $1 in
    *\\*) if [ -n "$TL_FAST" ]; then printf -v tl_v %b "$1" && return 0; fi && tl_v=$(printf '%bx' "$1") && tl_v=${tl_v%x} ;;
    *) tl_v=$1 ;;
  esac
}

# tl_encode TEXT: sets tl_v to TEXT with \ and newline written \\ and \n, so that it fits on one line.
tl_encode() {
  tl_v=$1
  case $1 in *\\* | *"$tl_nl"*) ;; *) return 0 ;; esac
  if [ -n "$TL_FAST" ]; then tl_encode_at_once "$1" && return 0; fi
  tl_left=$1 tl_v=''
  while [ -n "$tl_left" ]; do
    tl_rest=${tl_left#?}
    tl_first=${tl_left%"$tl_rest"}
    # shellcheck disable=SC1003 # two backslashes are meant
    case $tl_first in
      \\) tl_first='\\' ;;
      "$tl_nl") tl_first='\n' ;;
    esac
    tl_v=$tl_v$tl_first tl_left=$tl_rest
  done
}

# What only bash can read stands in a text that only bash reads.
if [ -n "$TL_FAST" ]; then
  # shellcheck disable=SC2034 # the two functions use them
  tl_two='\\' tl_two_n='\n' tl_blank='\0040'
  eval 'tl_encode_at_once() { tl_v=${1//\\/"$tl_two"} && tl_v=${tl_v//"$tl_nl"/"$tl_two_n"}; }
    tl_encode_word() { tl_encode_at_once "$1" && tl_v=${tl_v// /"$tl_blank"}; case $tl_v in -) tl_v="\\0055" ;; esac; }'
fi

# tl_now: sets tl_v to hundredths of a second of a clock that only this boot shares, or to 0 where there is none.
tl_now() {
  tl_v=0
  if [ -r /proc/uptime ]; then
    IFS=' ' read -r tl_v tl_rest </proc/uptime
    tl_v=${tl_v%.*}${tl_v#*.}
  elif [ -n "${EPOCHREALTIME-}" ]; then
    tl_v=${EPOCHREALTIME%????}
    tl_v=${tl_v%[.,]*}${tl_v#*[.,]}
  fi
}

# tl_birth PID: sets tl_v to the start time of a live process; to nothing if it is gone or a zombie; to ? where only
# that it lives can be told. Also sets tl_parent, tl_leader (session id) and tl_phase (T if it is stopped) where /proc tells them.
tl_birth() {
  tl_v='' tl_parent='' tl_leader='' tl_phase=''
  case $1 in '' | *[!0-9]*) return 0 ;; esac
  if [ -r /proc/self/stat ]; then
    { IFS='' read -r tl_line </proc/"$1"/stat; } 2>/dev/null || return 0
    # The name in brackets may hold anything; what follows the last bracket is numbers.
    tl_fields "${tl_line##*') '}"
  elif kill -0 "$1" 2>/dev/null; then
    tl_v='?'
  fi
}
tl_fields() {
  IFS=' '
  # shellcheck disable=SC2086 # splitting is the purpose
  set -- $1
  IFS=$TL_IFS
  case $1 in Z | X) return 0 ;; esac
  # shellcheck disable=SC2034 # read by who ends processes
  tl_phase=$1 tl_parent=$2 tl_leader=$4
  shift 19
  tl_v=$1
}

# tl_alive PID START: whether the process that had this pid and start time (? for any) still lives, and is no zombie.
tl_alive() {
  tl_birth "$1"
  [ -n "$tl_v" ] && { [ "$tl_v" = "$2" ] || [ "$2" = '?' ]; }
}

tl_gone() { ! tl_alive "$1" "$2"; }

# tl_own_pid: sets tl_v to the pid of this very process, subshell or not.
tl_own_pid() {
  if [ -n "${BASHPID-}" ]; then
    tl_v=$BASHPID
  elif [ -r /proc/self/stat ]; then
    IFS=' ' read -r tl_v tl_rest </proc/self/stat
  else
    # shellcheck disable=SC2016 # expanded by the inner shell
    tl_v=$(exec sh -c 'printf %s "$PPID"')
  fi
}

# tl_own_birth: sets tl_me to the pid of this very process, and tl_v to its start time.
tl_own_birth() {
  tl_own_pid
  tl_me=$tl_v
  tl_birth "$tl_me"
}

# tl_say FIFO WORDS: writes one line into a FIFO that somebody may read; never blocks and never makes a plain file.
# False if there is no such FIFO. Each such line is filled with blanks to 256 bytes: a bash takes it with one read, where
# any shell that looks for its end needs one for each byte.
tl_say() {
  [ -p "$1" ] && printf '%-255s\n' "$2" 1<>"$1"
}

# tl_apart COMMAND...: becomes the command, in a process session of its own where the system can do that.
tl_apart() {
  if command -v setsid >/dev/null 2>&1; then exec setsid "$@"; fi
  exec "$@"
}

# tl_nap: sleeps a twentieth of a second, or a second where sleep knows no fractions.
tl_nap() {
  sleep 0.05 2>/dev/null || sleep 1
}

# tl_within NAPS COMMAND...: waits until the command succeeds, for so many naps at the most.
tl_within() {
  tl_naps=$1
  shift
  until "$@"; do
    if [ "$tl_naps" -le 0 ]; then return 1; fi
    tl_naps=$((tl_naps - 1))
    tl_nap
  done
}

# tl_read_cwd FILE: sets tl_cwd to the text before the file's last newline, whatever it holds. A file that is empty is just
# being written.
tl_read_cwd() {
  tl_cwd='' tl_tries=0
  while [ -z "$tl_cwd" ] && [ "$tl_tries" -lt 40 ]; do
    if [ "$tl_tries" -gt 0 ]; then tl_nap; fi
    tl_sep='' tl_tries=$((tl_tries + 1))
    while IFS='' read -r tl_line; do
      tl_cwd=$tl_cwd$tl_sep$tl_line tl_sep=$tl_nl
    done <"$1"
  done
}
