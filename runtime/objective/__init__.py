"""The loss of an image and its gradient: of a whole image, or tile by tile."""
