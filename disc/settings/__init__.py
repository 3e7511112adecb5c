"""All settings, one file a room; free of torch."""
