"""Solvers, separated conditions, the bank, and synthesis of slides."""
