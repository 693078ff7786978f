"""Learngenes from outside: a file is uploaded, checked and staged, then published as a version that never changes."""
