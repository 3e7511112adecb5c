"""The audit: what a set of synthetic tiles is worth beside real ones, without a checkpoint."""
