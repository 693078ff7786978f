"""What descendants are worth: commands that measure, and write their pages under docs/results."""
