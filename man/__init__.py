"""The manual page, and the program that makes it."""
