"""One job: its folder, and how it is painted."""
