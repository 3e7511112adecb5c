"""What the statistics of graders say, as tables and sentences of the page."""
