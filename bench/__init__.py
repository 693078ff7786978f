"""What streaming costs, as ratios to servers people know. `python -m bench --help`."""
