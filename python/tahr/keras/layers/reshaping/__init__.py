"""Layers that move values about without changing them."""
