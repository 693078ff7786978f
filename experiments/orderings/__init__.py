"""The papers' orderings on Fashion-MNIST with a tiny ViT: learngene, recipe, descendant, as in production."""
