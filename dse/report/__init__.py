"""What is the answer? A page, pictures, an export."""
