"""Several runs that answer as one, and the doubt about what they say."""
