"""Layers with a memory: recurrent cells, the layers that run them over sequences, and wrappers."""
