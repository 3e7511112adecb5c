"""Latents of the training tiles: encoded, stored, read in batches."""
