"""Statistics of graders, from the tables scores.parquet and pixels.parquet alone."""
