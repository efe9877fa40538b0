"""``impasto video``: moving pictures."""
