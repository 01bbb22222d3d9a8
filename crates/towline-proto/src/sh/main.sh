# Where a program of this text begins as a lane, once all of it is read.
tl_lane_main
