"""What an experiment leaves: runs, tables, figures, the report."""
