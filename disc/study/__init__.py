"""Studies: graders trained on real and synthetic slides of several runs, cell by cell."""
