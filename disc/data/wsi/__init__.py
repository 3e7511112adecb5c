"""Whole-slide images, masks on them, coordinates of tiles."""
