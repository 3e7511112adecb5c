"""Copies of training tiles: how they are searched for, called, counted and taken out."""
