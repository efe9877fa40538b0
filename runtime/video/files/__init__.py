"""Files of moving pictures: read and written by PyAV; their colors."""
