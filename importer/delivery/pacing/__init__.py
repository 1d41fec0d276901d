"""How fast a run may go: what the server says, what it does, and whether it answers at all."""
