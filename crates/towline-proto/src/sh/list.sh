# List: the entries of a directory, by name.
# The reply: fields with the session's directory, the path without links, the number of all entries; then groups of tl_f_meta for
# the first of them.

# tl_tool_list PATH HIDDEN LIMIT: HIDDEN 1: names that begin with a dot, too. At most LIMIT entries are described.
tl_tool_list() {
  tl_f_begin
  tl_list "$@" || tl_f_fail
}

tl_list() {
  tl_f_locate "$1" || return 1
  if [ ! -d "./$tl_name" ]; then
    tl_f_regular && tl_err=enotdir
    return 1
  fi
  tl_err=eacces
  cd -P -- "./$tl_name" && [ -r . ] || return 1
  tl_limit=$3 tl_total=0
  # The shell's own expansion is sorted, needs no process, and keeps names apart whatever they hold.
  set +f
  case $2 in
    1) set -- .[!.]* ..?* * ;;
    *) set -- * ;;
  esac
  set -f
  tl_list_count "$@"
  tl_f_field "$tl_cwd"
  tl_f_field "$PWD"
  tl_f_field "$tl_total"
  tl_list_groups "$@"
}

# A pattern that matches nothing stays as it is, and is no name.
tl_list_count() {
  for tl_arg in "$@"; do
    if [ -e "./$tl_arg" ] || [ -L "./$tl_arg" ]; then tl_total=$((tl_total + 1)); fi
  done
}

# tl_list_groups NAME...: describes them, 200 at a time; a slash, which no name holds, parts the names of a group.
tl_list_groups() {
  tl_batch='' tl_n=0
  for tl_arg in "$@"; do
    if [ "$tl_n" -ge "$tl_limit" ]; then break; fi
    if [ -e "./$tl_arg" ] || [ -L "./$tl_arg" ]; then
      tl_batch=$tl_batch/$tl_arg tl_n=$((tl_n + 1))
      if [ "$((tl_n % 200))" -eq 0 ]; then tl_list_group; fi
    fi
  done
  tl_list_group
}
tl_list_group() {
  [ -n "$tl_batch" ] || return 0
  tl_ifs=$IFS IFS=/
  # shellcheck disable=SC2086 # splitting is the purpose
  set -- ${tl_batch#/}
  IFS=$tl_ifs tl_batch=''
  for tl_arg in "$@"; do
    shift
    set -- "$@" "./$tl_arg"
  done
  tl_f_meta "$@"
}
