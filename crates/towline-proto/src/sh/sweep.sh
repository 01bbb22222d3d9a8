# Keeping house.
tl_sweep() { :; }
tl_clean() { :; }
