"""The wire: requests encoded, answers read without belief, and the network below."""
