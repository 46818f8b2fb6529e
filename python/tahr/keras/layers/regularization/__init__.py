"""Layers that make training harder so that the model generalises: dropout and noise."""
