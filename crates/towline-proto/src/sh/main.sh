# Where a program of this text begins: as a supervisor if its words say so, as a lane otherwise.
if [ "${1-}" = supervise ]; then
  TL_NUMBER=$5 TL_ROOT=$6 TL_PROGRAM=$7 TL_BOOT=$8 TL_UMASK=$9
  tl_a=$2 tl_b=$3 tl_c=$4
  shift 9
  TL_SELF=$1 TL_USER_SHELL=$2
  tl_supervise "$tl_a" "$tl_b" "$tl_c"
else
  tl_lane_main
fi
