"""Reading a data set once: what is there, what is wrong with it, and the page that shows it."""
