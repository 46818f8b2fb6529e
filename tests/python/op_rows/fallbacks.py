"""Ops that run on the CPU though their inputs lie on a GPU, and why. A new op either has a CUDA kernel or a line here and
in docs/gpu.md under "What runs on the CPU"; tests/python/test_gpu_fallbacks.py holds the three together."""

FALLBACKS = {
    "bincount": "its size is the largest value, which the host must read first",
    "histogram": "its bins follow from extremes that the host reads, and Keras gives the edges as numbers",
    "host_call": "functions of NumPy's, below",
}

# Functions of `host_call` (python/tahr/ops/host.py), which no loss, metric or optimizer and few layers need in a training
# step: MelSpectrogram (dft), RandomPerspective (solve), float8. Initializers call qr once.
HOST_FUNCTIONS = {
    **dict.fromkeys(["cholesky", "eig", "eigh", "lu_factor", "qr", "svd"], "decompositions of small dense matrices"),
    **dict.fromkeys(["det", "inv", "matrix_rank", "pinv", "slogdet", "solve", "solve_triangular"], "made of those"),
    "dft": "Fourier transforms of any length, of which stft and the like are made",
    "ctc_beam_search": "a search over strings, once per batch of predictions",
    "round_to_float8": "rounding to formats that the engine lacks: training quantized to float8 does it twice per product",
    **dict.fromkeys(["gammainc", "gammainc_order"], "series without a fixed number of terms"),
}
