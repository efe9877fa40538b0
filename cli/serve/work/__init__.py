"""Jobs behind the service: their table, their folders, and who paints them."""
