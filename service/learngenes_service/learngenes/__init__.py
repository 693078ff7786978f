"""What there is: learngenes and methods."""
