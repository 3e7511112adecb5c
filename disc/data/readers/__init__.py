"""One data set a file; all give the same records."""
