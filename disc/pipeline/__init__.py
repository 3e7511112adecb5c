"""The stages in order, each resumable."""
