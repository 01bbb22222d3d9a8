# Write: a content from standard input becomes a file, whole or not at all; or it is added at a file's end.
# The reply: fields with the session's directory, the path without links, words (`created`, `updated` or `appended`; 1 if a link was
# followed; the size; the kind of content name that this host can compute; then what could not be kept), and the content's name
# where the host knows it. Or words `ask`: see COMPLETE.

# tl_tool_write PATH HOW SIZE NONCE COMPLETE (KNOWN TAG)...: HOW: `any`; `new` (nothing may be there); `blank` (nothing, or an
# empty file); `append`. A KNOWN path is one of which the caller read the content called TAG: another content is not
# overwritten. COMPLETE: 0 if the caller knows more files of that name, 1 if not, 2 if it must not be asked again.
tl_tool_write() {
  tl_f_begin
  tl_write "$@" || tl_f_fail
}

tl_write() {
  tl_path=$1 tl_how=$2 tl_want=$3 tl_nonce=$4 tl_complete=$5 tl_errors=$TL_TMP/$TL_REQ.e tl_lost='' tl_v=''
  shift 5
  tl_f_locate "$tl_path" || tl_write_parents || return 1
  if [ -e "./$tl_name" ]; then
    tl_f_regular || return 1
    tl_write_known "$@" || return 0
    tl_err=eacces && [ -w "./$tl_name" ] || return 1
    case $tl_how in
      new) tl_err=eexist && return 1 ;;
      blank) tl_err=eexist && [ ! -s "./$tl_name" ] || return 1 ;;
    esac
    tl_err='' && tl_f_old || return 1
    if [ "$tl_how" = append ]; then tl_write_append; else tl_write_over; fi
  else
    tl_err=enotdir && [ -z "$tl_slash" ] || return 1
    tl_err=enametoolong && [ "${#tl_name}" -le 255 ] || return 1
    tl_err='' tl_state=created tl_tag='' tl_known=$#
    tl_write_new
  fi || return 1
  tl_f_field "$tl_cwd"
  tl_f_field "$tl_real"
  tl_f_strong
  tl_f_field "$tl_state $tl_linked $tl_now $tl_kind$tl_lost"
  tl_f_field "$tl_tag"
}

# tl_write_parents: makes the directories that are missing, with the user's umask, and looks again.
tl_write_parents() {
  if [ "$tl_err" != enoent ] || [ -z "$tl_path" ]; then return 1; fi
  if ! (umask "$TL_UMASK"; mkdir -p "${tl_at%/*}/") 2>"$tl_errors"; then
    tl_f_blame enoent
    return 1
  fi
  tl_f_locate "$tl_path"
}

# tl_write_known (KNOWN TAG)...: sets tl_tag to what the caller read of this file. Fails after writing `ask` as the reply.
tl_write_known() {
  tl_tag=''
  while [ $# -ge 2 ]; do
    if [ "$1" = "$tl_real" ]; then tl_tag=$2 && return 0; fi
    shift 2
  done
  case $tl_complete$tl_linked in 10 | 2?) return 0 ;; esac
  tl_f_field "$tl_cwd"
  tl_f_field "$tl_real"
  tl_f_field ask
  return 1
}

tl_write_over() {
  tl_state=updated
  tl_f_mask
  tl_f_stage "$tl_v" tl_write_body || return 1
  tl_write_whole && tl_f_keep && tl_f_swap || return 1
  tl_tag=''
}

tl_write_new() {
  tl_f_stage "$TL_UMASK" tl_write_body || return 1
  tl_write_whole || return 1
  if [ "$tl_how$tl_known" != any0 ]; then
    tl_f_create
  elif [ -d "./$tl_name" ] || ! mv -f "$tl_temp" "./$tl_name" 2>"$tl_errors"; then
    tl_f_blame eio
    tl_f_drop
  fi
}

# tl_write_body: standard input to standard output, on the disk where dd can do that.
tl_write_body() {
  dd bs=65536 conv=fsync || cat
}

# tl_write_whole: whether all of the content is in the private file.
tl_write_whole() {
  if [ "$tl_now" = "$tl_want" ]; then return 0; fi
  tl_f_blame eio
  tl_f_drop
}

# tl_write_append: in place, as >> does, for a program may hold the file open. Says how much was added if not all was.
tl_write_append() {
  tl_state=appended tl_before=$tl_size tl_match=''
  if [ -n "$tl_tag" ]; then
    tl_f_tag "${tl_tag%%:*}" "./$tl_name"
    if [ "$tl_v" = "$tl_tag" ]; then tl_match=${tl_tag%%:*}; fi
  fi
  cat >>"./$tl_name" 2>"$tl_errors" || tl_f_blame eio
  tl_f_old || return 1
  tl_now=$tl_size tl_tag=''
  if [ -n "$tl_err" ]; then
    if [ "$tl_now" -gt "$tl_before" ]; then tl_cwd="$((tl_now - tl_before)) $tl_err $tl_cwd" tl_err=partial; fi
    return 1
  fi
  if [ -n "$tl_match" ] && [ "$tl_now" -eq "$((tl_before + tl_want))" ]; then
    tl_f_tag "$tl_match" "./$tl_name" && tl_tag=$tl_v
  fi
  return 0
}
