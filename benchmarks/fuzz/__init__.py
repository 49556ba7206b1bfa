"""Generated, hostile and damaged input in large numbers, and processes that are killed."""
