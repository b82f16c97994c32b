"""An experiment with its results as one research object (RO-Crate 1.2): packed, checked, run again."""
