# Replacing a file: a private file beside it, made exclusively, with the old one's mode and owner, then renamed over it.
# A failure leaves the old file whole and no private file. What another program writes to the target between the last look at
# its content and the rename (the time that starting mv takes) is lost: POSIX has no rename that compares. Writers of ours
# exclude each other by a lock.

# tl_f_blame WORD: sets tl_err from the message of a failed utility in tl_errors, else to WORD.
tl_f_blame() {
  tl_err=$1 tl_v=''
  [ -r "$tl_errors" ] && tl_v=$(cat "$tl_errors")
  case $tl_v in
    *'o space left'*) tl_err=enospc ;;
    *'uota exceeded'*) tl_err=edquot ;;
    *'ead-only file system'*) tl_err=erofs ;;
    *'ile too large'*) tl_err=efbig ;;
    *'ermission denied'* | *'peration not permitted'*) tl_err=eacces ;;
    *'ile name too long'*) tl_err=enametoolong ;;
  esac
}

# tl_f_old: remembers what is to be kept of the file that is there.
tl_f_old() {
  tl_v=$(ls -ldni "./$tl_name") || { tl_err=eio && return 1; }
  # shellcheck disable=SC2086 # splitting is the purpose
  set -- $tl_v
  tl_inode=$1 tl_mode=$2 tl_links=$3 tl_uid=$4 tl_gid=$5 tl_size=$6
}

# tl_f_stage UMASK COMMAND...: makes the private file tl_temp from what COMMAND writes; sets tl_now to its size.
tl_f_stage() {
  tl_temp=./.towline-$tl_nonce tl_lock='' tl_mask=$1
  shift
  trap 'rm -f "$tl_temp" ${tl_lock:+"$tl_lock"}; exit 1' HUP INT TERM
  if (set -C; umask "$tl_mask"; "$@" >"$tl_temp") 2>"$tl_errors"; then
    tl_v=$(ls -ldn "$tl_temp")
    # shellcheck disable=SC2086 # splitting is the purpose
    set -- $tl_v
    tl_made=$1 tl_own=$3:$4 tl_now=$5
    return 0
  fi
  if [ -w . ]; then tl_f_blame eio; else tl_f_blame eacces; fi
  rm -f "$tl_temp"
  return 1
}

# tl_f_drop: takes the private file away; fails, so that it can end a function.
tl_f_drop() {
  rm -f "$tl_temp"
  return 1
}

# tl_f_mask: sets tl_v to the umask with which a new file has the old one's mode, but for x and special bits.
tl_f_mask() {
  tl_f_octal "$tl_mode"
  tl_v=${tl_v#?}
  tl_m=${tl_v#?}
  tl_v=$((7 - ${tl_v%??}))$((7 - ${tl_m%?}))$((7 - ${tl_m#?}))
}

# tl_f_keep: gives the private file the mode and the owner of the old one; adds to tl_lost what cannot be kept.
tl_f_keep() {
  if [ "$tl_own" != "$tl_uid:$tl_gid" ] && ! chown "$tl_uid:$tl_gid" "$tl_temp"; then
    if [ "${tl_own%:*}" != "$tl_uid" ]; then tl_lost="$tl_lost owner=$tl_uid"; fi
    if ! chgrp "$tl_gid" "$tl_temp"; then tl_lost="$tl_lost group=$tl_gid"; fi
  fi
  tl_f_octal "$tl_mode"
  # Set-id bits belong to an owner; they do not go to another.
  if [ -n "$tl_lost" ]; then tl_v=0${tl_v#?}; fi
  if [ "$tl_own$tl_made" != "$tl_uid:$tl_gid$tl_mode" ]; then
    chmod "$tl_v" "$tl_temp" || tl_lost="$tl_lost mode=$tl_v"
  fi
  if [ "$tl_links" -gt 1 ]; then tl_lost="$tl_lost links=$tl_links"; fi
  case $tl_mode in *+) tl_lost="$tl_lost acl=1" ;; esac
}

# tl_f_octal MODE: sets tl_v to the four octal digits of a mode as ls writes it.
tl_f_octal() {
  tl_v='' tl_special=0 tl_m=${1#?}
  tl_f_digit "$tl_m" 4 && tl_m=${tl_m#???}
  tl_f_digit "$tl_m" 2 && tl_m=${tl_m#???}
  tl_f_digit "$tl_m" 1
  tl_v=$tl_special$tl_v
}
tl_f_digit() {
  tl_d=0
  case $1 in r*) tl_d=4 ;; esac
  case $1 in ?w*) tl_d=$((tl_d + 2)) ;; esac
  case $1 in ??[xst]*) tl_d=$((tl_d + 1)) ;; esac
  case $1 in ??[sStT]*) tl_special=$((tl_special + $2)) ;; esac
  tl_v=$tl_v$tl_d
}

# tl_f_swap: renames the private file over the old one, if tl_tag is empty or names the content that is there now.
tl_f_swap() {
  if [ -n "$tl_tag" ]; then
    tl_f_lock "$tl_inode"
    tl_f_tag "${tl_tag%%:*}" "./$tl_name"
    if [ "$tl_v" != "$tl_tag" ]; then
      rm -f "$tl_temp" "$tl_lock"
      tl_err=changed && return 1
    fi
  fi
  if [ -d "./$tl_name" ] || ! mv -f "$tl_temp" "./$tl_name" 2>"$tl_errors"; then
    tl_f_blame eio
    rm -f "$tl_temp"
  fi
  if [ -n "$tl_lock" ]; then rm -f "$tl_lock"; fi
  [ -z "$tl_err" ]
}

# tl_f_create: gives the private file its name, if nothing has that name now.
tl_f_create() {
  if ln "$tl_temp" "./$tl_name" 2>"$tl_errors"; then
    rm -f "$tl_temp"
  elif [ -e "./$tl_name" ] || [ -L "./$tl_name" ]; then
    tl_err=eexist
    tl_f_drop
  else
    # A file system without hard links.
    mv -f "$tl_temp" "./$tl_name" 2>"$tl_errors" || { tl_f_blame eio; tl_f_drop; }
  fi
}

# tl_f_lock INODE: waits for other writers of ours to the same file, five seconds at the most: the lock guards milliseconds, and
# one that stands longer belongs to a writer that was killed.
tl_f_lock() {
  tl_lock=${TL_LOCKS:-$TL_TMP}/k$1 tl_tries=0
  until (set -C; printf '%s\n' "$$" >"$tl_lock"); do
    tl_tries=$((tl_tries + 1)) tl_v=''
    IFS= read -r tl_v <"$tl_lock"
    case $tl_v in
      '' | *[!0-9]*) ;;
      *) kill -0 "$tl_v" || rm -f "$tl_lock" ;;
    esac
    if [ "$tl_tries" -gt 50 ]; then rm -f "$tl_lock"; fi
    if [ "$tl_tries" -gt 60 ]; then return 0; fi
    sleep 0.1 || sleep 1
  done
}
