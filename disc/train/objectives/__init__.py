"""Training objectives, one file a network: step functions, their losses and batches."""
