"""One family of metrics a file: numbers in, numbers out; and the referee."""
