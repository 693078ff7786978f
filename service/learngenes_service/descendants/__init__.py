"""A descendant by its id: document and files, with ranges."""
