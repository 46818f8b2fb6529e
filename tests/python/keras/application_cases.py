"""Models small enough to compare with real Keras on every run."""

CASES = {
    "MobileNetV3Small": {"input_shape": (48, 48, 3), "alpha": 0.75, "classes": 7},
}
