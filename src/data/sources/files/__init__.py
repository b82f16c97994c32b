"""What all sources made of files share."""
