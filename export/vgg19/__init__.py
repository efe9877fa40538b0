"""VGG19: the encoder that ships, and where its weights come from."""
