"""Instance maps: every voxel of an object votes for its centre."""
