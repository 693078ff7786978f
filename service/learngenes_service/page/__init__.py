"""The page: pick a learngene and a size, see what it would be, take it; jobs as they run; uploading."""
