"""Jobs: what is learned in the background. The store holds their records, Redis the queue that follows from them."""
