"""Layers that prepare raw data: scaling and normalising."""
