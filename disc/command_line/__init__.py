"""The words of the command line: what is understood by them, and the help on them."""
