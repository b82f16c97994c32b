"""Detection of non-finite gradients and the search for where they began."""
