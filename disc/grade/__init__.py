"""Encoders, Carcino-Net, TransMIL, and the mixing of real and synthetic data."""
