"""Turns a file with columns of its own into one with the columns of the API."""
