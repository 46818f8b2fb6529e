"""Layers that prepare raw data: scaling, normalising, categories and text.

- rescaling, normalization, discretization, category_encoding: numbers
- mel_spectrogram, stft_spectrogram: sound
- index_lookup with string_lookup, integer_lookup; hashing: categories to indices
- text_vectorization: texts to indices
- strings, encoding, fingerprints, adapting: what these share
"""

from tahr.keras.old_paths import names_of

__getattr__ = names_of("layers", __name__)  # as in older versions of Keras
