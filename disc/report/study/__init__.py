"""The page of a study: what graders gained from synthetic slides, over all its cells."""
