"""disc: prostate tiles with the Gleason grades you ask for, and graders trained on them."""
