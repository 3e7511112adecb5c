"""`disc tile`: slides become tiles."""
