"""Who paints the rows of a batch: processes of this machine, or actors of a Ray cluster."""
