"""Convolutions: base.py holds what they share, the other files the layers of one kind each."""
