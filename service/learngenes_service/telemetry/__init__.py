"""What the service says of itself: log lines, request ids, metrics."""
