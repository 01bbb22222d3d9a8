# Ground of the file tools: where a path leads and why it does not, what a content is called, how a file is replaced.
# Runs in a forked subshell: every function may change the directory and the variables. Nothing that is no regular file is
# ever opened, and every name is given to a utility as ./name or an absolute path, so that none is an option.

# tl_f_begin: to be called first, in the session's directory.
tl_f_begin() {
  set -f
  tl_cwd=$PWD
  tl_nl='
'
}

# tl_f_field BYTES: writes one field of a reply: its length, a colon, the bytes, a newline.
tl_f_field() {
  printf '%s:%s\n' "${#1}" "$1"
}

# tl_f_fail: ends a tool with the word in tl_err; the detail is the session's directory.
tl_f_fail() {
  printf '%s %s\n' "${tl_err:-eio}" "$tl_cwd"
  return 1
}

# tl_f_readlink ./NAME: sets tl_v to what a symbolic link says.
tl_f_readlink() {
  if command -v readlink >/dev/null 2>&1; then
    tl_v=$(readlink "$1"; printf x)
    tl_v=${tl_v%"$tl_nl"x}
  else
    tl_v=$(ls -ld "$1"; printf x)
    tl_v=${tl_v%"$tl_nl"x}
    tl_v=${tl_v#*" $1 -> "}
  fi
}

# tl_f_locate PATH: follows a path to its end and goes to the directory that holds it. Sets tl_name (. for a directory that
# has no better name), tl_real (the path without links), tl_linked (1 if its last name was a link), tl_at (the path that was
# looked at last). The file itself need not exist. Fails with tl_err.
tl_f_locate() {
  tl_err='' tl_linked=0 tl_hops=0 tl_slash=''
  tl_at=$1
  case $tl_at in
    '') tl_err=enoent && return 1 ;;
    /*) ;;
    *) tl_at=${tl_cwd%/}/$tl_at ;;
  esac
  while :; do
    while :; do
      case $tl_at in
        //*) tl_at=${tl_at#/} ;;
        *?/) tl_at=${tl_at%/} tl_slash=/ ;;
        *) break ;;
      esac
    done
    tl_name=${tl_at##*/}
    case $tl_name in
      '' | . | ..)
        cd -P -- "$tl_at" 2>/dev/null || { tl_f_why "$tl_at" && return 1; }
        tl_name=. tl_real=$PWD
        return 0
        ;;
    esac
    cd -P -- "${tl_at%/*}/" 2>/dev/null || { tl_f_why "$tl_at" && return 1; }
    [ -L "./$tl_name" ] || break
    tl_linked=1 tl_hops=$((tl_hops + 1))
    if [ "$tl_hops" -gt 40 ]; then tl_err=eloop && return 1; fi
    tl_f_readlink "./$tl_name"
    case $tl_v in
      '') tl_err=eio && return 1 ;;
      /*) tl_at=$tl_v ;;
      *) tl_at=${PWD%/}/$tl_v ;;
    esac
  done
  tl_real=${PWD%/}/$tl_name
}

# tl_f_why PATH: sets tl_err to the word for an absolute path that leads nowhere, by walking it name by name.
tl_f_why() {
  tl_err=enoent tl_steps=0 tl_here='' tl_todo=$1
  if [ "${#tl_todo}" -gt 4095 ]; then tl_err=enametoolong && return 0; fi
  while [ -n "$tl_todo" ]; do
    tl_part=${tl_todo%%/*}
    case $tl_todo in */*) tl_todo=${tl_todo#*/} ;; *) tl_todo='' ;; esac
    [ -n "$tl_part" ] || continue
    if [ ! -x "$tl_here/." ]; then tl_err=eacces && return 0; fi
    if [ "${#tl_part}" -gt 255 ]; then tl_err=enametoolong && return 0; fi
    if [ -L "$tl_here/$tl_part" ]; then
      tl_steps=$((tl_steps + 1))
      if [ "$tl_steps" -gt 40 ]; then tl_err=eloop && return 0; fi
      cd -P -- "$tl_here/" 2>/dev/null || return 0
      tl_f_readlink "./$tl_part"
      case $tl_v in
        /*) tl_here='' ;;
        '') return 0 ;;
      esac
      tl_todo=$tl_v/$tl_todo
    elif [ -e "$tl_here/$tl_part" ]; then
      tl_here=$tl_here/$tl_part
      if [ -n "$tl_todo" ] && [ ! -d "$tl_here" ]; then tl_err=enotdir && return 0; fi
    else
      return 0
    fi
  done
  return 0
}

# tl_f_regular: after tl_f_locate: succeeds if a regular file is there, else sets tl_err.
tl_f_regular() {
  if [ -f "./$tl_name" ]; then
    [ -z "$tl_slash" ] && return 0
    tl_err=enotdir
  elif [ -d "./$tl_name" ]; then
    tl_err=eisdir
  elif [ -p "./$tl_name" ]; then
    tl_err=efifo
  elif [ -S "./$tl_name" ]; then
    tl_err=esocket
  elif [ -e "./$tl_name" ]; then
    tl_err=edevice
  else
    tl_f_why "$tl_at"
  fi
  return 1
}

# tl_f_kernel PATH: whether a file or directory is the kernel's own: such a file may hold back its end for ever.
tl_f_kernel() {
  case $1 in /proc | /proc/* | /sys | /sys/*) ;; *) return 1 ;; esac
}

# tl_f_copy FILE OUT: copies one of the kernel's files, if it ends: three seconds and 16 MiB do for all that have an end. Fails
# with tl_err.
tl_f_copy() {
  tl_err=eendless
  # Whoever reads these takes what they say away from others.
  case ${1##*/} in kmsg | trace_pipe | trace_pipe_raw) return 1 ;; esac
  tl_f_within 3 head -c 16777217 "$1" >"$2" 2>/dev/null
  case $? in
    0) ;;
    124 | 137 | 143) return 1 ;;
    *) tl_err=eioread && return 1 ;;
  esac
  tl_v=$(wc -c <"$2")
  [ "$((tl_v))" -le 16777216 ]
}

# tl_f_within SECONDS COMMAND...: runs a program that may not end by itself; 124, 137 or 143 if it was ended. Without timeout, which
# POSIX has only of late, what the program started may go on.
tl_f_within() {
  if command -v timeout >/dev/null 2>&1; then
    timeout "$@"
    return
  fi
  tl_left=$(($1 * 50))
  shift
  "$@" &
  tl_child=$!
  while kill -0 "$tl_child" 2>/dev/null; do
    tl_left=$((tl_left - 1))
    if [ "$tl_left" -lt 0 ]; then
      kill -s KILL "$tl_child"
      wait "$tl_child"
      return 124
    fi
    sleep 0.02 2>/dev/null || { sleep 1 2>/dev/null && tl_left=$((tl_left - 49)); } || break
  done
  wait "$tl_child"
}

# tl_f_strong: sets tl_kind to s where the host can compute SHA-256, else to c.
tl_f_strong() {
  tl_kind=c
  for tl_v in sha256sum shasum openssl sha256; do
    if command -v "$tl_v" >/dev/null 2>&1; then tl_kind=s && return 0; fi
  done
}

# tl_f_tag KIND FILE: sets tl_v to the name of a content: s:SHA-256, c:CRC:SIZE as POSIX cksum has it, or, for what is too
# large to be read for this, t:size, inode and times.
tl_f_tag() {
  tl_v='' tl_file=$2
  case $1 in
    s)
      if command -v sha256sum >/dev/null 2>&1; then
        tl_v=$(sha256sum <"$tl_file")
      elif command -v shasum >/dev/null 2>&1; then
        tl_v=$(shasum -a 256 <"$tl_file")
      elif command -v openssl >/dev/null 2>&1; then
        tl_v=$(openssl dgst -sha256 -r <"$tl_file")
      elif command -v sha256 >/dev/null 2>&1; then
        tl_v=$(sha256 -q <"$tl_file")
      fi
      tl_v=s:${tl_v%% *}
      [ "${#tl_v}" -eq 66 ]
      ;;
    c)
      tl_v=$(cksum <"$tl_file") || return 1
      # shellcheck disable=SC2086 # splitting is the purpose
      set -- $tl_v
      tl_v=c:$1:$2
      ;;
    *)
      tl_v=$(stat -c '%s %i %y %z' "$tl_file" 2>/dev/null) || tl_v=$(stat -f '%z %i %Fm %Fc' "$tl_file") || return 1
      tl_v=t:$tl_v
      ;;
  esac
}

# tl_f_take MAX OUT: copies at most MAX bytes of ./tl_name.
tl_f_take() {
  head -c "$1" <"./$tl_name" >"$2" 2>/dev/null || dd bs=65536 count="$(($1 / 65536 + 1))" <"./$tl_name" >"$2" 2>/dev/null
}
