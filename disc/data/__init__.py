"""Data sets, slides and tiles: one data set a file, all giving the same records."""
