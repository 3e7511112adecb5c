"""What is learned, one file a network: step functions and their losses."""
