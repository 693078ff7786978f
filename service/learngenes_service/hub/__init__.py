"""The Hugging Face protocol: every size of every learngene is a repository that clients of that hub load from."""
