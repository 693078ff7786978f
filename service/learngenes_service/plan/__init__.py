"""POST /v1/plan: what a size would be, or which sizes fit a budget."""
