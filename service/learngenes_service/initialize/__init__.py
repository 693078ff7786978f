"""POST /initialize: a size in, a checkpoint out."""
