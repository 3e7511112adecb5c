"""What is in a set, one layout a file."""
