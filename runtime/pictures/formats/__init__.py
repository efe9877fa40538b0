"""Files of pictures: what each format stores, and how it is read and written."""
