"""Grading of whole slides: a map, a score with reasons, and files that viewers open."""
