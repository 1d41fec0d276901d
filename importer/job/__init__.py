"""The job: one straight line from sources to results, with the world passed in."""
