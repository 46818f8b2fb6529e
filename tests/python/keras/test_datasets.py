"""Data sets: where files are looked for, what is read from them, and that files cannot do harm. No network is used."""

import gzip
import hashlib
import io
import os
import pathlib
import pickle
import struct
import tarfile
import zipfile

import numpy as np
import pytest
from tahr import keras
from tahr.keras.datasets import safe_pickle

DATA = os.environ.get("TAHR_DATA_DIR") or str(pathlib.Path(__file__).resolve().parents[4] / "shared" / "data")
needs_data = pytest.mark.skipif(not os.path.isdir(DATA), reason="no directory with data sets (TAHR_DATA_DIR)")


@pytest.fixture(autouse=True)
def places(tmp_path, monkeypatch):
    """A data directory and a cache of the test's own, and no way out."""
    monkeypatch.setenv("TAHR_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("TAHR_HOME", str(tmp_path / "home"))
    (tmp_path / "data").mkdir()

    def no_network(address, *arguments, **keywords):
        if isinstance(address, str) and address.startswith("file:"):
            return real(address, *arguments, **keywords)
        raise OSError("no network in tests")

    real = __import__("urllib.request").request.urlopen
    monkeypatch.setattr("urllib.request.urlopen", no_network)
    return tmp_path


@needs_data
def test_fashion_mnist(monkeypatch):
    monkeypatch.setenv("TAHR_DATA_DIR", DATA)
    (x_train, y_train), (x_test, y_test) = keras.datasets.fashion_mnist.load_data()
    assert (x_train.shape, y_train.shape, x_test.shape, y_test.shape) == (
        (60000, 28, 28),
        (60000,),
        (10000, 28, 28),
        (10000,),
    )
    assert x_train.dtype == y_train.dtype == np.uint8
    np.testing.assert_array_equal(np.bincount(y_train), [6000] * 10)
    np.testing.assert_array_equal(np.bincount(y_test), [1000] * 10)
    assert y_test[:3].tolist() == [9, 2, 1]
    assert x_train.flags.writeable


@needs_data
def test_california_housing_from_averages(monkeypatch):
    monkeypatch.setenv("TAHR_DATA_DIR", DATA)
    (x_train, y_train), (x_test, y_test) = keras.datasets.california_housing.load_data()
    x, y = np.concatenate([x_train, x_test]), np.concatenate([y_train, y_test])
    assert x.shape == (20433, 8) and x.dtype == y.dtype == np.float32
    longitude, latitude, age, rooms, bedrooms, population, households, income = x.T
    assert -125 < longitude.min() and longitude.max() < -114 and 32 < latitude.min() and latitude.max() < 42
    assert 1 <= age.min() and age.max() <= 52 and 14_000 < y.min() and y.max() < 500_002
    assert (bedrooms <= rooms).mean() > 0.999 and 0.49 < income.min() and income.max() < 15.1
    counts = x[:, 3:7]
    np.testing.assert_array_equal(counts, np.rint(counts))
    with np.load(os.path.join(DATA, "california_housing.npz")) as file:  # the averages come back
        order = np.arange(len(x))
        np.random.RandomState(113).shuffle(order)
        np.testing.assert_allclose(population / households, file["data"][order, 5], rtol=1e-5)
    (small, _), (small_test, _) = keras.datasets.california_housing.load_data(version="small", test_split=0.5)
    assert len(small) == len(small_test) == 300


@needs_data
def test_imdb_subset(monkeypatch):
    monkeypatch.setenv("TAHR_DATA_DIR", DATA)
    (x_train, y_train), (x_test, y_test) = keras.datasets.imdb.load_data(num_words=300)
    assert len(x_train) == len(y_train) == 5000 and len(x_test) == 1000
    assert all(review[0] == 1 for review in x_train) and max(map(max, x_train)) == 299
    assert set(np.unique(y_train)) == {0, 1}
    (short, labels), _ = keras.datasets.imdb.load_data(num_words=300, maxlen=100)
    assert 0 < len(short) == len(labels) < 5000 and max(map(len, short)) < 100
    with pytest.raises(OSError, match="imdb.npz"):  # the subset does not hold all words
        keras.datasets.imdb.load_data(num_words=1000)


def idx(array):
    return struct.pack(">BBBB", 0, 0, 8, array.ndim) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def test_fashion_mnist_of_the_user(places):
    pictures = np.arange(2 * 28 * 28, dtype=np.uint8).reshape(2, 28, 28)
    for part in ("train", "t10k"):
        (places / "data" / f"{part}-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(pictures)))
        (places / "data" / f"{part}-labels-idx1-ubyte.gz").write_bytes(
            gzip.compress(idx(np.array([1, 2], dtype=np.uint8)))
        )
    (x, y), _ = keras.datasets.fashion_mnist.load_data()
    np.testing.assert_array_equal(x, pictures)
    assert y.tolist() == [1, 2]
    (places / "data" / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(pictures)[:-1]))
    with pytest.raises(ValueError, match="expected 1568 bytes"):
        keras.datasets.fashion_mnist.load_data()


def test_mnist_and_housing_files(places):
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 255, (4, 28, 28), dtype=np.uint8), np.arange(4)
    np.savez(places / "data" / "mnist.npz", x_train=x, y_train=y, x_test=x[:2], y_test=y[:2])
    (x_train, _), (x_test, y_test) = keras.datasets.mnist.load_data()
    np.testing.assert_array_equal(x_train, x)
    assert len(x_test) == len(y_test) == 2
    table, prices = rng.normal(size=(10, 13)), np.arange(10.0)
    np.savez(places / "data" / "boston_housing.npz", x=table, y=prices)
    (x_train, y_train), (x_test, y_test) = keras.datasets.boston_housing.load_data(test_split=0.3, seed=1)
    assert len(x_train) == 7 and sorted([*y_train, *y_test]) == prices.tolist()
    np.testing.assert_array_equal(
        np.concatenate([x_train, x_test]), table[np.concatenate([y_train, y_test]).astype(int)]
    )
    with pytest.raises(ValueError, match="test_split"):
        keras.datasets.boston_housing.load_data(test_split=1.0)


def lists(*values):
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


def test_reuters_and_imdb_files(places):
    texts = lists([1, 2, 30], [4, 5], [6], [7, 8, 9, 10])
    np.savez(places / "data" / "reuters.npz", x=texts, y=np.arange(4))
    (x, labels), (x_test, _) = keras.datasets.reuters.load_data(test_split=0.25, num_words=10, skip_top=5)
    assert len(x) == 3 and len(x_test) == 1
    expected = {0: [2, 2, 5, 2], 1: [2, 7, 8], 2: [2, 9], 3: [2, 2, 2, 2, 2]}  # 1 and words, plus 3, within 5 .. 9
    assert {int(k): v for k, v in zip(labels, x)} == {int(k): expected[int(k)] for k in labels}
    np.savez(places / "data" / "imdb.npz", x_train=texts, y_train=np.arange(4), x_test=texts, y_test=np.arange(4))
    (x, labels), _ = keras.datasets.imdb.load_data(start_char=None, index_from=0, oov_char=None, num_words=9)
    assert {int(k): v for k, v in zip(labels, x)} == {0: [1, 2], 1: [4, 5], 2: [6], 3: [7, 8]}
    (places / "data" / "imdb_word_index.json").write_text('{"the": 1}')
    assert keras.datasets.imdb.get_word_index() == {"the": 1}
    names = keras.datasets.reuters.get_label_names()
    assert len(names) == 46 and names[3] == "earn"


def test_cifar_files(places):
    rng = np.random.default_rng(0)

    def archive(name, members):
        with tarfile.open(places / "data" / name, "w:gz") as file:
            for member, content in members.items():
                data = pickle.dumps(content, protocol=2)
                info = tarfile.TarInfo(member)
                info.size = len(data)
                file.addfile(info, io.BytesIO(data))

    def batch(**labels):
        return {b"data": rng.integers(0, 255, (2, 3072), dtype=np.uint8), **{k.encode(): v for k, v in labels.items()}}

    members = {f"cifar-10-batches-py/data_batch_{i}": batch(labels=[i, 0]) for i in range(1, 6)}
    members["cifar-10-batches-py/test_batch"] = batch(labels=[9, 9])
    archive("cifar-10-python.tar.gz", members)
    (x, y), (x_test, y_test) = keras.datasets.cifar10.load_data()
    assert x.shape == (10, 32, 32, 3) and x_test.shape == (2, 32, 32, 3) and x.dtype == y.dtype == np.uint8
    assert y[::2, 0].tolist() == [1, 2, 3, 4, 5] and y_test.tolist() == [[9], [9]]
    first = members["cifar-10-batches-py/data_batch_1"][b"data"][0].reshape(3, 32, 32)
    np.testing.assert_array_equal(x[0], first.transpose(1, 2, 0))
    both = {"fine_labels": [99, 1], "coarse_labels": [19, 2]}
    archive("cifar-100-python.tar.gz", {f"cifar-100-python/{part}": batch(**both) for part in ("train", "test")})
    assert keras.datasets.cifar100.load_data()[0][1].tolist() == [[99], [1]]
    assert keras.datasets.cifar100.load_data("coarse")[0][1].tolist() == [[19], [2]]
    with pytest.raises(ValueError, match="'fine' or 'coarse'"):
        keras.datasets.cifar100.load_data("middle")


def test_offline_message_says_what_is_missing_where_and_what_to_set(places):
    with pytest.raises(
        OSError, match=r"(?s)\[datasets.mnist\].*mnist.npz.*no network in tests.*TAHR_DATA_DIR"
    ) as caught:
        keras.datasets.mnist.load_data()
    assert str(places / "data" / "mnist.npz") in str(caught.value)
    assert str(places / "home" / "datasets" / "mnist.npz") in str(caught.value)
    assert "tf-keras-datasets/mnist.npz" in str(caught.value)
    for name in ("fashion_mnist", "cifar10", "cifar100", "imdb", "reuters", "california_housing", "boston_housing"):
        if name == "fashion_mnist" and os.path.isdir("/usr/share/datasets/fashion-mnist"):
            continue
        with pytest.raises(OSError, match=rf"\[datasets.{name}\] expected the file"):
            getattr(keras.datasets, name).load_data()


def test_a_damaged_file_in_the_cache_is_not_used(places):
    cache = places / "home" / "datasets"
    cache.mkdir(parents=True)
    (cache / "mnist.npz").write_bytes(b"half a download")
    with pytest.raises(OSError, match="expected the file mnist.npz"):
        keras.datasets.mnist.load_data()


@pytest.mark.parametrize("name", ["../mnist.npz", "/etc/passwd", "a/b.npz", "..", "a\\b"])
def test_names_cannot_leave_the_directories(name):
    with pytest.raises(ValueError, match="name of a file"):
        keras.datasets.mnist.load_data(path=name)


class Harm:
    def __reduce__(self):
        return (os.system, ("touch harm-was-done",))


def test_pickles_cannot_run_code(places, monkeypatch):
    monkeypatch.chdir(places)
    with pytest.raises(pickle.UnpicklingError, match="may be an attack"):
        safe_pickle.load(pickle.dumps(Harm()))
    np.savez(places / "data" / "reuters.npz", x=lists(Harm(), [1]), y=np.arange(2))
    with pytest.raises(pickle.UnpicklingError, match="may be an attack"):
        keras.datasets.reuters.load_data()
    assert not (places / "harm-was-done").exists()


# ------------------------------------------------------------------- get_file


def served(places, content=b"content", name="file.txt"):
    (places / name).write_bytes(content)
    return (places / name).as_uri(), hashlib.sha256(content).hexdigest()


def test_get_file_downloads_once_and_checks_the_hash(places):
    origin, digest = served(places)
    path = keras.utils.get_file(origin=origin, file_hash=digest)
    assert path == str(places / "home" / "datasets" / "file.txt") and pathlib.Path(path).read_bytes() == b"content"
    (places / "file.txt").write_bytes(b"changed")
    assert keras.utils.get_file(origin=origin, file_hash=digest) == path  # from the cache
    assert pathlib.Path(path).read_bytes() == b"content"
    with pytest.raises(ValueError, match="received one with another"):
        keras.utils.get_file(origin=origin, file_hash=digest, force_download=True)
    assert pathlib.Path(path).read_bytes() == b"content"  # the good file stays
    md5 = hashlib.md5(b"changed").hexdigest()
    other = keras.utils.get_file("other.txt", origin, md5_hash=md5, cache_subdir="own", cache_dir=str(places / "c"))
    assert other == str(places / "c" / "own" / "other.txt")
    (places / "home" / "datasets" / "file.txt").write_bytes(b"damaged")
    served(places)
    with pytest.warns(UserWarning, match="does not have the expected hash"):
        keras.utils.get_file(origin=origin, file_hash=digest)
    assert pathlib.Path(path).read_bytes() == b"content"
    assert sorted(os.listdir(places / "home" / "datasets")) == ["file.txt"]  # no scraps


def test_get_file_refuses_paths_and_missing_origins(places):
    origin, _ = served(places)
    for name in ("../file.txt", "/tmp/file.txt", "a/b"):
        with pytest.raises(ValueError, match="name of a file"):
            keras.utils.get_file(name, origin)
    with pytest.raises(ValueError, match=r"expected the URL of a file as origin, received None"):
        keras.utils.get_file("file.txt")
    with pytest.raises(OSError, match=r"\[get_file\] expected the file at .*, received "):
        keras.utils.get_file(origin="https://example.invalid/file.txt")
    assert os.listdir(places / "home" / "datasets") == []


def make_tar(path, members):
    with tarfile.open(path, "w:gz") as file:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            if content is None:
                info.type, info.linkname = tarfile.SYMTYPE, "/etc"
                file.addfile(info)
            else:
                info.size = len(content)
                file.addfile(info, io.BytesIO(content))


def test_get_file_extracts(places):
    make_tar(places / "a.tar.gz", {"folder/one.txt": b"1"})
    path = keras.utils.get_file(origin=(places / "a.tar.gz").as_uri(), extract=True)
    assert pathlib.Path(path, "folder", "one.txt").read_bytes() == b"1"
    assert path.endswith("a_extracted")
    with zipfile.ZipFile(places / "b.zip", "w") as file:
        file.writestr("two.txt", "2")
    path = keras.utils.get_file("named", (places / "b.zip").as_uri(), extract=True)
    assert pathlib.Path(path, "two.txt").read_text() == "2"
    assert pathlib.Path(keras.utils.get_file("c", (places / "a.tar.gz").as_uri(), untar=True), "folder").is_dir()


@pytest.mark.parametrize(
    "members", [{"../out.txt": b"x"}, {"/tmp/out.txt": b"x"}, {"link": None}, {"ok": b"1", "a/../../out.txt": b"x"}]
)
def test_get_file_refuses_archives_that_reach_out(places, members):
    make_tar(places / "bad.tar.gz", members)
    with pytest.raises(ValueError, match="may be an attack"):
        keras.utils.get_file(origin=(places / "bad.tar.gz").as_uri(), extract=True)
    assert sorted(os.listdir(places / "home" / "datasets")) == ["bad.tar.gz"]
    assert not (places / "home" / "out.txt").exists()


def tar_of(path, *members):
    """Members as (name, kind, target of a link or content)."""
    with tarfile.open(path, "w") as file:
        for name, kind, what in members:
            info = tarfile.TarInfo(name)
            info.type = kind
            if kind == tarfile.REGTYPE:
                info.size = len(what)
                file.addfile(info, io.BytesIO(what))
            else:
                info.linkname = what
                file.addfile(info)


def zip_of(path, *members):
    with zipfile.ZipFile(path, "w") as file:
        for name, mode, content in members:
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16
            file.writestr(info, content)


FILE, LINK, HARD = tarfile.REGTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE
ARCHIVES = {  # of CVE-2024-55459, CVE-2025-12060, CVE-2025-4517 and their kin; {out} is a folder beside the target
    "parent": (tar_of, ("../../../out/x", FILE, b"x")),
    "absolute": (tar_of, ("{out}/x", FILE, b"x")),
    "symbolic link to a folder, file through it": (tar_of, ("a", LINK, "{out}"), ("a/x", FILE, b"x")),
    "relative link, file through it": (tar_of, ("a", LINK, "../../../out"), ("a/x", FILE, b"x")),
    "chain of links": (tar_of, ("a", LINK, "."), ("a/b", LINK, "../../../out"), ("a/b/x", FILE, b"x")),
    "hard link to a file outside, written again": (tar_of, ("a", HARD, "{out}/kept"), ("a", FILE, b"x")),
    "link to a file outside, written again": (tar_of, ("a", LINK, "{out}/kept"), ("a", FILE, b"x")),
    "good files first": (tar_of, ("good", FILE, b"x"), ("good/../../../../out/x", FILE, b"x")),
    "fifo": (tar_of, ("pipe", tarfile.FIFOTYPE, "")),
    "device": (tar_of, ("null", tarfile.CHRTYPE, "")),
    "zip, parent": (zip_of, ("../../../out/x", 0o100644, "x")),
    "zip, absolute": (zip_of, ("{out}/x", 0o100644, "x")),
    "zip, good files first": (zip_of, ("good", 0o100644, "x"), ("a/../../../../out/x", 0o100644, "x")),
}


def contents(root):
    return {str(p): p.read_bytes() if p.is_file() else None for p in sorted(root.rglob("*"))}


@pytest.mark.parametrize("name", ARCHIVES)
def test_archives_write_nothing_outside(places, name):
    make, *members = ARCHIVES[name]
    out = places / "out"
    out.mkdir()
    (out / "kept").write_bytes(b"kept")
    make(places / "bad", *[tuple(v.format(out=out) if isinstance(v, str) else v for v in m) for m in members])
    keras.utils.get_file("bad", (places / "bad").as_uri())  # in the cache
    before = contents(places)
    with pytest.raises(ValueError, match=r"\[get_file\].*may be an attack"):
        keras.utils.get_file("bad", (places / "bad").as_uri(), extract=True)
    assert contents(places) == before


def test_links_of_zip_files_become_plain_files(places):
    (places / "out").mkdir()
    zip_of(places / "bad.zip", ("a", 0o120777, str(places / "out")), ("b", 0o100644, "b"))
    path = pathlib.Path(keras.utils.get_file("bad.zip", (places / "bad.zip").as_uri(), extract=True))
    assert not (path / "a").is_symlink() and (path / "b").read_text() == "b"
    assert os.listdir(places / "out") == []
