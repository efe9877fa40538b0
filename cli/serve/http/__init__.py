"""What is spoken with clients: who may, how much, in which words."""
