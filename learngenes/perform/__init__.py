"""Jobs done: one module a kind, shared by the command of that name and by `learngenes job`."""
