"""What a planned run would take: a short trial of it, scaled to the whole."""
