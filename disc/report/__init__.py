"""Numbers to tables, figures and the page."""
