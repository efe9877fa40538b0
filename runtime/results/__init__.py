"""What comes of a run: its picture, what the picture says of its making, and painting it again."""
