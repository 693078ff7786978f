"""The commands of learngenes-client, by what they are about: one module each, with its arguments and what it does."""
