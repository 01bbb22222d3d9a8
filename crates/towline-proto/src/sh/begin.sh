# Where a program of this text begins as a supervisor. It stands before the lane's parts, so that a supervisor never reads them.
if [ "${1-}" = supervise ]; then
  TL_ROOT=$5 TL_PROGRAM=$6 TL_BOOT=$7 TL_UMASK=$8 TL_USER_LC_ALL=$9
  tl_a=$2 tl_b=$3 tl_c=$4
  shift 9
  TL_SELF=$1 TL_USER_SHELL=$2
  tl_supervise "$tl_a" - "$tl_b" "$tl_c"
  exit 0
fi
