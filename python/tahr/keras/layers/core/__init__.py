"""Layers that much else is built from: Dense, inputs, Lambda, wrappers."""
