"""Libraries that show the history, pictures and files of runs: one logger each."""
