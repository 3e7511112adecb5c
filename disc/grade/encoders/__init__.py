"""Encoders of tiles: one interface, a table of public ones, their weights and their reading."""
