"""What a program wrote, read back: of the right shape, whole, and unchanged, or refused by name."""
