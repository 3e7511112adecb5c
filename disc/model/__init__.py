"""Autoencoder, condition encoders, denoiser and noise schedule."""
