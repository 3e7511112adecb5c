"""Latents of the training tiles: encoded, stored, drawn."""
