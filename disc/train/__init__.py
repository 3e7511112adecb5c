"""One training loop, and the step functions of autoencoder, diffusion and distillation."""
