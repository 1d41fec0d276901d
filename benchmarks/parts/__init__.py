"""One module for each part of the suite: it measures, and it puts its figures in a table."""
