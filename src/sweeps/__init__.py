"""Many runs in search of the best: a space, a study on its storage, a process a trial, what came of it."""
