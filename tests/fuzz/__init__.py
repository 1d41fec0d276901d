"""Inputs that attack: readers, validation, answers, and the sandbox's own contract."""
