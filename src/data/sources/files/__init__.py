"""Parts shared by all sources that read files."""
