"""Image files to arrays and back; `ImageDataGenerator`."""

from tahr.keras.utils.images import array_to_img as array_to_img
from tahr.keras.utils.images import img_to_array as img_to_array
from tahr.keras.utils.images import load_img as load_img
from tahr.keras.utils.images import save_img as save_img
from tahr.keras.utils.images import smart_resize as smart_resize
