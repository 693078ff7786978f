"""Methods against each other: one size, the same images, an equal budget, several seeds, ranked."""
