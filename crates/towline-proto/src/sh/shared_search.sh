# Ground of Glob and Grep: where a search begins, when files were changed, what ends a reply.
# Records are "STAMP PATH" NUL newline. A stamp is seconds since 1970 (a fraction where the host tells one), "~BATCH.RANK" where
# only an order is known (rank 1 is the newest of its batch), or "-".

# tl_s_root PATH: goes to the directory PATH, or sets tl_one to the regular file PATH and stays. Sets tl_root to where it is.
# Fails with tl_err.
tl_s_root() {
  tl_one='' tl_root=$PWD tl_errors=0 tl_error=''
  case $1 in
    '') tl_at=. ;;
    /*) tl_at=$1 ;;
    *) tl_at=./$1 ;;
  esac
  if [ -d "$tl_at" ]; then
    cd -P -- "$tl_at" 2>/dev/null && tl_root=$PWD && return 0
    tl_err=eacces
  elif [ -f "$tl_at" ]; then
    tl_err=eacces && [ -r "$tl_at" ] || return 1
    case $tl_at in /*) tl_v=$tl_at ;; *) tl_v=${PWD%/}/$1 ;; esac
    if tl_f_kernel "$tl_v"; then tl_f_copy "$tl_at" "$TL_TMP/$TL_REQ.k" || return 1; fi
    tl_one=$tl_at && return 0
  elif [ -p "$tl_at" ]; then
    tl_err=efifo
  elif [ -e "$tl_at" ]; then
    tl_err=edevice
  else
    case $1 in
      /*) tl_f_why "$1" ;;
      *) tl_f_why "${tl_cwd%/}/$1" ;;
    esac
  fi
  return 1
}

# tl_s_leave BASE: sets tl_leave to what a search of the current directory passes over, one a line: globs of paths below it, which
# begin with a slash, and of names. BASE is the part of it that is searched, or empty. Where the kernel's directories are not
# asked for they are left out, and so is the state directory of towline, always; fails if that is asked for by name.
tl_s_leave() {
  tl_leave='' tl_own=''
  tl_v=${PWD%/}/$1
  tl_at=${tl_v%/}
  case ${tl_at:-/} in
    /) tl_leave=/proc$tl_nl/sys$tl_nl ;;
    /proc | /proc/* | /sys | /sys/*) for tl_v in kcore kmsg mem pagemap trace_pipe trace_pipe_raw; do tl_leave=$tl_leave$tl_v$tl_nl; done ;;
  esac
  [ -n "${TL_ROOT-}" ] || return 0
  # Other hosts that share this home directory have their places beside ours.
  tl_v=${TL_ROOT%/*}
  tl_own=$(cd -P -- "${tl_v%/*}" 2>/dev/null && printf %s "$PWD")
  [ -n "$tl_own" ] || return 0
  tl_err=eown
  case $tl_at/ in "$tl_own"/*) return 1 ;; esac
  case $tl_own in "${PWD%/}"/*) ;; *) tl_own='' && return 0 ;; esac
  tl_own=${tl_own#"${PWD%/}"}
  case $tl_own in *"$tl_nl"*) return 0 ;; esac
  tl_s_plain "$tl_own"
  tl_leave=$tl_leave$tl_v$tl_nl
}

# tl_s_plain TEXT: sets tl_v to the glob that means just this text.
tl_s_plain() {
  tl_v='' tl_rest=$1
  while [ -n "$tl_rest" ]; do
    tl_arg=$tl_rest tl_rest=${tl_rest#?}
    tl_arg=${tl_arg%"$tl_rest"}
    case $tl_arg in \\ | \* | \? | \[ | \] | \{ | \} | !) tl_arg=\\$tl_arg ;; esac
    tl_v=$tl_v$tl_arg
  done
}

# tl_s_whole BYTES ARGUMENT...: succeeds if the arguments are that long together. A shell that keeps wide characters (yash) drops
# those that it cannot read, and a dropped pattern would match everything.
tl_s_whole() {
  tl_v=$1
  shift
  for tl_arg in "$@"; do tl_v=$((tl_v - ${#tl_arg})); done
  [ "$tl_v" -eq 0 ] && return 0
  tl_err=eshell
  return 1
}

# tl_s_held FILE: succeeds if the shell can read that list of names (see above).
tl_s_held() {
  [ -n "${YASH_VERSION-}" ] || return 0
  tl_v=$(tr -d '\001-\177' <"$1" | wc -c)
  [ "$((tl_v))" -eq 0 ] && return 0
  tl_err=eshell
  return 1
}

# tl_s_errors FILE: counts the lines of a file of error messages: tl_errors, tl_error (the first one).
tl_s_errors() {
  tl_errors=0 tl_error=''
  [ -s "$1" ] || return 0
  while IFS= read -r tl_v; do
    [ "$tl_errors" -eq 0 ] && tl_error=$tl_v
    tl_errors=$((tl_errors + 1))
    [ "$tl_errors" -ge 10000 ] && break
  done <"$1"
  return 0
}

# tl_s_end ENGINE STATUS IGNORES CUT: the end of every reply: how it was made, where, and what could not be read.
# IGNORES is 1 if .gitignore was honoured or there is none to honour; CUT is 1 if there may be more, 2 if it took too long.
# Then 1 if it was a single file, and how many messages of errors there were.
tl_s_end() {
  if [ -n "$tl_one" ]; then tl_v=1; else tl_v=0; fi
  printf '\n\000T %s %s %s %s %s %s\000%s\000%s\000' "$1" "$2" "$3" "$4" "$tl_v" "$tl_errors" "$tl_root" "$tl_error"
}

# The stamps of the files that are its arguments (./name or absolute); a file that is gone is left out.
# shellcheck disable=SC2016 # a program for another shell
tl_s_stamp='
tl_nl="
"
if command -v stat >/dev/null 2>&1; then
  if tl_m=$(stat -c %.Y "$@" 2>/dev/null) || tl_m=$(stat -f %Fm "$@" 2>/dev/null); then
    for tl_v in $tl_m; do
      printf "%s %s\000\n" "$tl_v" "${1#./}"
      shift
    done
    exit 0
  fi
  for tl_f do
    tl_m=$(stat -c %.Y "$tl_f" 2>/dev/null) || tl_m=$(stat -f %Fm "$tl_f" 2>/dev/null) || continue
    printf "%s %s\000\n" "$tl_m" "${tl_f#./}"
  done
  exit 0
fi
case "$*" in
  *"$tl_nl"*) for tl_f do printf "%s %s\000\n" - "${tl_f#./}"; done ;;
  *)
    tl_n=0
    ls -td "$@" 2>/dev/null | while IFS= read -r tl_f; do
      tl_n=$((tl_n + 1))
      printf "~%s.%s %s\000\n" "$$" "$tl_n" "${tl_f#./}"
    done
    ;;
esac
'
