"""A finished run on a page of this machine: the command `demo`."""
