"""What may be wrong with a set, one kind a file."""
