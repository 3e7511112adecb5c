"""Sets in the SICAPv2 layout, written, converted, selected."""
