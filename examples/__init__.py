"""One concept each: `python -m examples.digits`, and so on, from the project's folder."""
