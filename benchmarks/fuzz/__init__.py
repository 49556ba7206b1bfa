"""Generated inputs, many more than a test suite can afford."""
