# How a command's output gets from its pipe into the spool, as it comes and to the last byte, within a bound. A plain file as
# the command's stdout would be truncated by whoever opens /dev/stdout, so it is always a pipe.
#
# What a command printed that is over within a moment lies in the pipe, and if it is little, the supervisor takes it by itself, if
# its shell can (tl_drain): it goes into the record, which needs no file of its own. Else a pump moves it, a process of its own: dd and not cat, since it tells how much it moved, stops at a count.
#
# Spool: NAME holds the first bytes; past TL_HEAD_CAP the newest bytes go to NAME.<offset>, where only the last
# complete piece and the one being written are kept. What lies between was dropped, and its size follows from the names.
# Where all spools together are beyond TL_HOST_KIB, or the file system has little left, every spool that grows goes on with
# pieces of TL_LITTLE: what many print at once fills nothing either.

TL_LITTLE=262144

# tl_bounds: the bounds, as whoever works on this host last said them (file keep: KiB of one execution, KiB of all).
tl_bounds() {
  tl_1=32768 TL_HOST_KIB=524288
  if [ -r "$TL_ROOT/keep" ]; then IFS=' ' read -r tl_1 TL_HOST_KIB tl_rest <"$TL_ROOT/keep"; fi
  # Almost half for the first bytes, almost a quarter for each of two pieces: each may get one sixteenth more, which is what is read at once.
  TL_HEAD_CAP=$((tl_1 * 448)) TL_PIECE_CAP=$((tl_1 * 192)) TL_READS=$((tl_1 / 1024))
}

# tl_at_once COUNT: sets tl_reads: so many at a time, and no more than what is bounded holds.
tl_at_once() {
  tl_reads=$1
  if [ "$tl_reads" -gt "$TL_READS" ]; then tl_reads=$TL_READS; fi
  if [ "$tl_reads" -lt 1 ]; then tl_reads=1; fi
}

# tl_drain SPOOL: takes what is in the pipe, fd 4, by builtins alone, into tl_output; false if it is more than little, or if
# somebody still holds the pipe (then tl_held is set): then what was taken is in the spool. Only for a shell whose read knows
# -t, -d and -n. It reads byte by byte, since only so a NUL is seen, which no variable holds.
tl_drain() {
  tl_held='' tl_output=''
  # shellcheck disable=SC3045 # bash alone comes here
  IFS='' read -r -t 0.05 -d '' -n 512 -u 4 tl_output
  tl_rc=$?
  if [ "$tl_rc" -eq 1 ]; then return 0; fi
  if [ "$tl_rc" -eq 0 ] && [ "${#tl_output}" -lt 512 ]; then
    # It stopped at a NUL.
    printf '%s\0' "$tl_output" >>"$1"
  elif [ -n "$tl_output" ]; then
    printf %s "$tl_output" >>"$1"
  fi || tl_flags=f$tl_flags
  tl_output=''
  if [ "$tl_rc" -gt 128 ]; then tl_held=1; fi
  return 1
}

# tl_move FILE: moves up to tl_reads reads of at most 64 KiB from stdin to the end of FILE. False at the end of input, and if FILE
# takes no more: then tl_full is set.
tl_move() {
  tl_v=$(LC_ALL=C dd bs=65536 count="$tl_reads" 2>&1 >>"$1")
  tl_rc=$?
  if [ "$tl_rc" -ne 0 ]; then
    # Where a signal ended it, another goes on; again and again, and it is a bound of this host.
    if [ "$tl_rc" -gt 128 ] && [ "$tl_deaths" -lt 3 ]; then tl_deaths=$((tl_deaths + 1)) tl_lost=lost && return 0; fi
    tl_full=full
  fi
  tl_v=${tl_v%% records in*}
  tl_v=${tl_v##*[!0-9+]}
  [ "$((${tl_v%%+*} + ${tl_v#*+}))" -eq "$tl_reads" ] && [ -z "$tl_full" ]
}

# tl_crowded: whether there is no room for more than the ends of what comes. Looks the less often, the more room there is.
tl_crowded() {
  tl_looks=$((tl_looks - 1))
  if [ "$tl_looks" -le 0 ]; then tl_look_around; fi
  [ -n "$tl_crowd" ]
}
tl_look_around() {
  tl_room=$(cd "$TL_ROOT/o" && { du -sk . && df -Pk .; } | awk -v most="$TL_HOST_KIB" '
    NR == 1 { room = most - $1 }
    END {
      # Size and what is left stand before the field with the per cent.
      for (i = NF; i > 3 && $i !~ /^[0-9]+%$/; i--);
      if (i > 3) {
        spare = $(i - 3) / 10
        left = $(i - 1) - (spare > 262144 ? 262144 : spare)
        if (left < room) room = left
      }
      print int(room)
    }')
  tl_crowd='' tl_looks=$((${tl_room:-0} / 65536))
  if [ "$tl_looks" -gt 4 ]; then tl_looks=4; fi
  if [ "$tl_looks" -lt 2 ]; then tl_at_once 8; else tl_at_once 64; fi
  if [ "${tl_room:-1}" -le 0 ]; then
    if [ -z "$tl_swept" ]; then
      # What was read already makes room, once.
      # shellcheck disable=SC2086 # the shell may be several words
      tl_swept=1 && $TL_SELF "$TL_PROGRAM.host" room "$TL_ROOT" "$TL_PROGRAM" "$TL_BOOT" "$TL_HOST_KIB" </dev/null >/dev/null 2>&1
      tl_look_around
    else
      tl_crowd=1 tl_looks=16
      tl_at_once 4
    fi
  fi
}

# tl_size FILE: sets tl_v to its size in bytes.
tl_size() {
  tl_v=$(wc -c <"$1") || tl_v=0
  tl_v=$((tl_v))
}

# tl_pump SPOOL FIFO WORDS: until every writer of stdin is gone; then tells WORDS to FIFO. Where the disk is full the rest is
# read and thrown away, so that the command goes on, and the next word is `full`, else `-`; `lost` is the last where somebody who moved
# output was ended, with what it had in its hands.
tl_pump() {
  tl_full='' tl_v=0 tl_crowd='' tl_swept='' tl_looks=0 tl_deaths=0
  tl_bounds
  tl_at_once 16
  if [ -n "$(tl_pieces "$1")" ]; then
    tl_pump_ring "$1"
  else
    while tl_move "$1"; do
      if tl_crowded || { tl_size "$1" && [ "$tl_v" -ge "$TL_HEAD_CAP" ]; }; then tl_pump_ring "$1" && break; fi
    done
  fi
  if [ -n "$tl_full" ]; then until cat >/dev/null || [ $? -le 128 ]; do :; done; fi
  # Said in its file before it is heard: the next pump of this pipe has the same.
  if [ -e "$tl_pump_file" ]; then echo end >>"$tl_pump_file"; fi
  tl_say "$2" "$3 ${tl_full:--} $tl_lost"
}

# tl_pump_ring SPOOL: what comes after the first bytes: pieces, of which the last whole one and the newest are kept. One that comes in the
# place of another goes on behind its pieces.
tl_pump_ring() {
  tl_size "$1"
  tl_at=$tl_v
  for tl_f in $(tl_pieces "$1"); do
    tl_size "$1.$tl_f"
    tl_at=$((tl_f + tl_v))
  done
  while :; do
    tl_newest=$1.$tl_at
    while :; do
      tl_move "$tl_newest" || return 0
      tl_size "$tl_newest"
      tl_piece_size=$tl_v tl_cap=$TL_PIECE_CAP
      if tl_crowded; then tl_cap=$TL_LITTLE; fi
      if [ "$tl_piece_size" -ge "$tl_cap" ]; then break; fi
    done
    for tl_f in $(tl_pieces "$1"); do
      if [ "$tl_f" != "$tl_at" ]; then rm -f "$1.$tl_f"; fi
    done
    tl_at=$((tl_at + tl_piece_size))
  done
}

# tl_start_pump PIPE SPOOL WORDS [BY]: a pump for the pipe, and somebody who puts another in its place if that is ended, since the command
# would stand still before a full pipe; sets tl_v to the pid of the latter. Who they are, for which spool, by whom the pump was started (s the
# supervisor of the command - a one who took over - u in the place of one that was lost: some may be missing) and that it saw the end stand in
# a file beside the pipe, for a supervisor that comes after this one. Whoever starts it has the pipe open for reading until it is done.
tl_start_pump() {
  (
    tl_shut
    # shellcheck disable=SC2094 # opened for both first, so that opening it for reading waits for nobody
    exec 5<>"$1" 9<"$1"
    exec 5>&-
    tl_pump_file=$1.m tl_by=${4:-s} tl_lost=''
    tl_own_birth
    tl_keeper="$tl_me $tl_v"
    while :; do
      (
        # What runs beside gets no stdin of its own.
        exec <&9 9<&-
        tl_own_birth
        printf '%s %s %s %s %s\n' "$tl_me" "$tl_v" "${2##*/}" "$tl_by" "$tl_keeper" >"$tl_pump_file"
        tl_pump "$2" "$tl_in" "$3"
        exit 0
      ) &
      if wait "$!"; then exit 0; fi
      tl_by=u tl_lost=lost
      tl_end_readers "$1"
    done
  ) &
  tl_v=$!
}

# tl_end_readers PIPE: ends what a pump that is gone has left reading there: with two of them the order would be lost.
tl_end_readers() {
  tl_as_linked "$1"
  # shellcheck disable=SC2012 # the names are pids, and the link's target is what is looked at
  ls -l /proc/[0-9]*/fd/0 2>/dev/null | while IFS='' read -r tl_line; do
    case $tl_line in *"/fd/0 -> $tl_v") ;; *) continue ;; esac
    tl_p=${tl_line%"/fd/0 -> $tl_v"}
    tl_p=${tl_p##*/proc/}
    # A shell that has a dd within itself goes by its own name.
    if [ -n "$(tl_marked bs=65536 "/proc/$tl_p/cmdline")$(tl_marked supervise "/proc/$tl_p/cmdline")" ]; then kill -s KILL "$tl_p"; fi
  done
}

# tl_as_linked PIPE: sets tl_v to its name as /proc has it, also where a home is behind a link, and for whoever is in its directory.
tl_as_linked() { tl_v=$(cd "${1%/*}" && pwd -P)/${1##*/}; }

# tl_pump_of PIPE SPOOL: whether there is, or was, a pump between these two; sets tl_p_pid, tl_p_start, tl_p_by, and tl_p_end to `end` if it
# saw the end.
tl_pump_of() {
  tl_p_pid=0 tl_p_start='' tl_p_spool='' tl_p_by='' tl_p_end='' tl_k_pid=0 tl_k_start=''
  if [ -r "$1.m" ]; then { IFS=' ' read -r tl_p_pid tl_p_start tl_p_spool tl_p_by tl_k_pid tl_k_start && IFS='' read -r tl_p_end; } <"$1.m"; fi
  [ "$tl_p_spool" = "${2##*/}" ]
}

# tl_pump_lives: whether that pump, or whoever sees to it, does; sets tl_p_pid to who is at its end when the output is.
tl_pump_lives() {
  if tl_alive "$tl_k_pid" "$tl_k_start"; then
    tl_p_pid=$tl_k_pid
  else
    tl_alive "$tl_p_pid" "$tl_p_start"
  fi
}

# tl_settle HANDLE PIPE SPOOL PUMP: returns when all that was written into PIPE before this call is in SPOOL. If nobody holds
# the pipe any more, the pump is only slow, and its end is awaited. Else a mark that nobody can foresee is put behind it and is
# seen to arrive; whoever shows the output leaves it out. A pump that was ended itself is replaced, and tl_unsure set: what it had
# in its hands is lost.
tl_settle() {
  if [ -p "$2" ] && ! tl_alive "$4" '?' && ! { tl_pump_of "$2" "$3" && [ "$tl_p_end" = end ]; }; then
    if tl_pump_lives; then
      tl_v=$tl_p_pid
    else
      tl_unsure=1
      tl_start_pump "$2" "$3" 'e -' u
    fi
    set -- "$1" "$2" "$3" "$tl_v"
  fi
  tl_tries=0
  while tl_alive "$4" '?' && [ "$tl_tries" -lt 60 ] && ! tl_is_held "$2"; do
    tl_tries=$((tl_tries + 1))
    tl_nap
  done
  tl_read_record "$1"
  if [ -p "$2" ] && tl_alive "$4" '?'; then printf '\036%s\036' "$tl_id" 1<>"$2"; fi
  tl_tries=0
  while tl_alive "$4" '?' && [ "$tl_tries" -lt 200 ]; do
    tl_newest=$3
    for tl_f in $(tl_pieces "$3"); do tl_newest=$3.$tl_f; done
    if tail -c 200000 "$tl_newest" | grep -F -q -e "$tl_id"; then break; fi
    tl_tries=$((tl_tries + 1))
    tl_nap
  done
  if tl_pump_of "$2" "$3"; then case $tl_p_by in u) tl_unsure=1 ;; esac fi
  rm -f "$2" "$2.m"
}

# tl_is_held PIPE: whether a process of this user has it open for writing; also where that cannot be told.
tl_is_held() {
  if [ ! -d /proc/self/fd ]; then return 0; fi
  tl_as_linked "$1"
  # shellcheck disable=SC2010 # the names are pids, and the link's mode and target are what is looked at
  ls -l /proc/[0-9]*/fd | grep -F -e "-> $tl_v" | grep -q '^l.w'
}

# tl_pieces SPOOL: the offsets of the pieces that follow its first bytes, in order.
tl_pieces() {
  for tl_f in "$1".[0-9]*; do
    if [ -e "$tl_f" ]; then echo "${tl_f##*.}"; fi
  done | sort -n
}
