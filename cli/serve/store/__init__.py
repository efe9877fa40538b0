"""What the server knows of its jobs: their table, who comes in, what became of them."""
