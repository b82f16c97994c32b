"""Overview of all runs under a folder: a table on the terminal and one page of HTML."""
