"""What breaks, and what it costs: real processes killed in the middle of a real job."""
