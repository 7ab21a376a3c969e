"""Documentation, and what makes its pictures and its notebook."""
