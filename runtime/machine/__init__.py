"""What the operating system has and gives: memory, temporary files, files that appear whole."""
