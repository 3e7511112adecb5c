"""Cards: what a run is and is not, for whoever meets its weights."""
