"""Pages to work in: the customers of a scored file, searched, filtered and followed in a browser."""
