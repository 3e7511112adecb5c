"""A page to paint masks on, and to see what the generator and the referee make of them."""
