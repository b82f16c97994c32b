"""One line for every mistake: what is wrong, and what to type instead."""
