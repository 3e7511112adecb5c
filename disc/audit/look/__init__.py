"""Does it look real? Tissue, stain, distances to real tiles beside those between patients."""
