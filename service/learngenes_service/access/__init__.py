"""Who may do what: keys and scopes, rates, and what only callers with a key get to see."""
