"""``impasto batch``: folders of pictures."""
