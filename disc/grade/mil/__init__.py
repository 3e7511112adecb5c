"""Graders of bags beside the exact TransMIL, and the outputs that all of them share."""
