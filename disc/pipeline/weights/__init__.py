"""Trained weights: of a run, or exported to a folder that diffusers loads too."""
