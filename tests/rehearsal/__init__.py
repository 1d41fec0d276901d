"""Rehearsals: the product against the sandbox with real processes, sockets and signals."""
