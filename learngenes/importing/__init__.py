"""Networks that others trained become learngenes: their geometry read from their tensors, nothing learned."""
