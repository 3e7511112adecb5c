"""Every setting, one file a room; free of torch."""
