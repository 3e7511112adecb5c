"""What a graded slide leaves: outlines, tables, pyramids, pictures, a page."""
