# Where a program of this text begins, once all of it is read: as a lane, or as one that makes room.
case ${1-} in
  room) tl_make_room "$2" "$3" "$4" "$5" ;;
  *) tl_lane_main ;;
esac
