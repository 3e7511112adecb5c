"""Are there seams? Steps along borders of masks, and the lattice of latents."""
