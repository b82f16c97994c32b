"""Code that travels inside a bundle; beside it lie copies of the modules that it imports."""
