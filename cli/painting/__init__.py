"""The commands that paint: what they take, how they are followed, what they leave."""
