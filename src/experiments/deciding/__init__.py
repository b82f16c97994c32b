"""Seeds that a decision takes: looks at the results, chances of a verdict, plans."""
