"""Training, validation and test cases: drawn by subject, read from lists, kept from an earlier run."""
