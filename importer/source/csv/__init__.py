"""CSV files (RFC 4180), and those that nearly are."""
