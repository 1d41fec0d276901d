"""What else people post a CSV with: each written as its own documentation shows."""
