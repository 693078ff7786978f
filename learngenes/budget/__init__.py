"""What fits a budget, ranked by measured quality: offers, what excludes them, quality between measured sizes."""
