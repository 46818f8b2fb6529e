"""Image files to arrays and back; `ImageDataGenerator`, its iterators, and the changes it makes."""

from tahr.keras.preprocessing.image_generator import ImageDataGenerator as ImageDataGenerator
from tahr.keras.preprocessing.image_iterators import DirectoryIterator as DirectoryIterator
from tahr.keras.preprocessing.image_iterators import Iterator as Iterator
from tahr.keras.preprocessing.image_iterators import NumpyArrayIterator as NumpyArrayIterator
from tahr.keras.preprocessing.image_tables import DataFrameIterator as DataFrameIterator
from tahr.keras.preprocessing.image_transforms import apply_affine_transform as apply_affine_transform
from tahr.keras.preprocessing.image_transforms import apply_brightness_shift as apply_brightness_shift
from tahr.keras.preprocessing.image_transforms import apply_channel_shift as apply_channel_shift
from tahr.keras.preprocessing.image_transforms import random_brightness as random_brightness
from tahr.keras.preprocessing.image_transforms import random_channel_shift as random_channel_shift
from tahr.keras.preprocessing.image_transforms import random_rotation as random_rotation
from tahr.keras.preprocessing.image_transforms import random_shear as random_shear
from tahr.keras.preprocessing.image_transforms import random_shift as random_shift
from tahr.keras.preprocessing.image_transforms import random_zoom as random_zoom
from tahr.keras.utils.images import array_to_img as array_to_img
from tahr.keras.utils.images import img_to_array as img_to_array
from tahr.keras.utils.images import load_img as load_img
from tahr.keras.utils.images import save_img as save_img
from tahr.keras.utils.images import smart_resize as smart_resize
