"""Closed-form readings of an embedding: no label is learned by gradient descent."""
