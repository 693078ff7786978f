"""The service: builds a descendant for the size asked for and streams it. Never imports torch."""
