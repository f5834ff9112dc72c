"""Planted encoders and studies of them: what is measured must come back."""
