"""To come."""

HELD_OUT_FAILED = ()
HELD_OUT_HEALTHY = ()
