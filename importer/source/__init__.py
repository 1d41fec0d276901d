"""Source: bytes in, verified records out, each with its source and physical line."""
