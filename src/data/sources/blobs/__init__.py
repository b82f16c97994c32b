"""Virtual images of many small objects, each with its box and its number in an instance map."""
