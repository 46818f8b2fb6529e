"""The test table: one row per op, one module per family (each defines ROWS).

From a row come the value tests against NumPy in float64 (every dtype, every instruction set, odd sizes, broadcasting,
empty and rank-0 tensors), the first and second gradients by finite differences, the error inputs and the microbenchmark.
To add an op: add its Row here and nothing else.
"""
