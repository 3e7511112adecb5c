"""Slides in windows, blended to one map, which lies on disk and not in memory."""
