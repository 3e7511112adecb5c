"""The page, the table and the pictures of `disc check`."""
