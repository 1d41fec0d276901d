"""Torture: real faults against the product and the sandbox, with real sockets and signals."""
