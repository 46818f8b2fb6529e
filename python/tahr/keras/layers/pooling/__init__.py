"""Pools: windows, adaptive windows and whole axes."""
