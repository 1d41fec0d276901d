"""Carries rows to where they are delivered: in this process, or in workers on other machines."""
