"""How fast learning is, beside a bare loop of torch over the same network."""
