"""The service: jobs over HTTP, a page to watch them, and machines that paint them."""
