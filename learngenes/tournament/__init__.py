"""Methods against each other: one size, the same images, the same training for every network, several seeds, ranked."""
