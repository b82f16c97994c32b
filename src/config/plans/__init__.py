"""Plans: files of keys that were chosen for one data set, and the words that they stand for."""
