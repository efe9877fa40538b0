"""What pictures are written as: formats, depths, colour profile, and what a file says of itself."""
