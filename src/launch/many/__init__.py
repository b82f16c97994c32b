"""Several runs side by side on one machine: a card for each, and the disk that all of them take."""
