"""Simulated prostate tissue, drawn in micrometres, with exact masks."""
