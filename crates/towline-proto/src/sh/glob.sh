# Glob: the files that may match, with the times of their last change; the pattern itself is matched by who asked.
# tl_tool_glob BYTES PATH BASE DEPTH VCS LIMIT SECONDS NAME...
#   BYTES  how long all the other arguments are together
#   PATH   the directory to search; empty for the current one
#   BASE   the directories that the pattern begins with, relative to PATH; empty for none
#   DEPTH  how many names below BASE a path has at the most; 0 for any number
#   VCS    1 to look into the directories of version control, too
#   LIMIT  at most so many lines of reply
#   SECONDS  the search is ended after that time
#   NAME   patterns of find -name, one of which the last name must match; none for all
# Only regular files; links are not followed (but PATH and BASE may lead through some).
tl_tool_glob() {
  tl_f_begin
  if ! { tl_s_whole "$@" && shift && tl_s_root "$1"; }; then
    tl_f_fail
    return 1
  fi
  if [ -n "$tl_one" ]; then
    tl_err=enotdir
    tl_f_fail
    return 1
  fi
  tl_t=$TL_TMP/$TL_REQ
  tl_base=$2 tl_depth=$3 tl_vcs=$4 tl_limit=$5 tl_late=$6 tl_cut=0
  shift 6
  if [ -z "$tl_base" ] || [ -d "./$tl_base" ]; then
    if cd -P -- "./$tl_base" 2>"$tl_t.e"; then
      tl_s_leave '' || { tl_f_fail; return 1; }
      tl_glob_find "$@"
    fi
    tl_s_errors "$tl_t.e"
  fi
  tl_s_end find 0 1 "$tl_cut"
}

# tl_glob_find NAME...: the search itself.
tl_glob_find() {
  tl_n=$#
  set -- "$@" .
  if [ "$tl_vcs" != 1 ]; then
    set -- "$@" '(' -name .git -o -name .svn -o -name .hg -o -name .bzr -o -name .jj -o -name .sl ')' -prune -o
  fi
  tl_ifs=$IFS IFS=$tl_nl
  for tl_v in $tl_leave; do
    case $tl_v in /*) set -- "$@" -path ".$tl_v" -prune -o ;; *) set -- "$@" -name "$tl_v" -prune -o ;; esac
  done
  IFS=$tl_ifs
  if [ "$tl_depth" -gt 0 ]; then
    tl_v=.
    while [ "$tl_depth" -gt 0 ]; do
      tl_v=$tl_v/\*
      tl_depth=$((tl_depth - 1))
    done
    set -- "$@" -type d -path "$tl_v" -prune -o
  fi
  set -- "$@" -type f
  if [ "$tl_n" -gt 0 ]; then
    set -- "$@" '(' -name "$1"
    shift
    while [ "$tl_n" -gt 1 ]; do
      set -- "$@" -o -name "$1"
      shift
      tl_n=$((tl_n - 1))
    done
    set -- "$@" ')'
  fi
  # GNU find tells the times itself; another one refuses the word -printf before it looks at anything.
  tl_glob_run "$@" -printf '%T@ %P\000\n'
  tl_v=''
  [ -s "$tl_t.o" ] || IFS= read -r tl_v <"$tl_t.e"
  case $tl_v in
    *printf*) tl_glob_run "$@" -exec sh -c "$tl_s_stamp" sh '{}' + ;;
  esac
  # Not more than 2 MiB go over the line.
  dd bs=65536 count=32 <"$tl_t.o" 2>/dev/null
}

# tl_glob_run ARGUMENT...: find with these.
tl_glob_run() {
  { tl_f_within "$tl_late" find "$@"; echo "$?" >"$tl_t.s"; } 2>"$tl_t.e" | head -n "$tl_limit" >"$tl_t.o"
  if [ -s "$tl_t.s" ]; then read -r tl_v <"$tl_t.s"; else tl_v=0; fi
  case $tl_v in 124 | 137 | 143) tl_cut=2 ;; esac
}
