"""Make upstream Keras's test files see a product package instead of Keras.

`install(keras_src, product)` puts a finder on sys.meta_path that owns the names
`keras` and `keras.*`:

* `keras`, `keras.layers`, ...      the product's own modules
* `keras.src...`                    shim modules.  An attribute is looked up in
      upstream's own list of public names (keras/api/**/__init__.py, read as
      text): `keras.src.layers.core.dense.Dense` is published as
      `keras.layers.Dense`, so the product's `layers.Dense` is handed out.
      Re-exports inside `keras.src` are followed in the source text.
* `keras.src...._test`, INFRA       upstream's source text, executed, so that its
      imports go through this shim.

A name that is not public, or that the product lacks, becomes a `Missing`
placeholder while a test file is being imported, and an error once a test runs;
a test that touched one is failed by the plugin even if it swallowed the error.
Upstream's implementation code is never executed.
"""

import ast
import collections
import functools
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import os
import shutil
import sys
import types

import foreign_stubs

# Upstream modules executed as test infrastructure: test helpers and pure-Python
# oracles that the tests compare against.
INFRA = {
    "keras.src.testing",
    "keras.src.testing.test_case",
    "keras.src.testing.test_utils",
    "keras.src.backend.common.dtypes",
    "keras.src.backend.common.backend_utils",
    "keras.src.utils.python_utils",
}

# Where a name of `keras.src.backend` (whose content upstream takes from the
# chosen backend, `import *`) is looked for in the public API.
BACKEND_SPACES = {
    "keras.src.backend": ["backend", "", "ops", "config", "utils", "random"],
    "keras.src.backend.core": ["ops", ""],
    "keras.src.backend.numpy": ["ops.numpy", "ops"],
    "keras.src.backend.nn": ["ops.nn", "ops"],
    "keras.src.backend.math": ["ops"],
    "keras.src.backend.linalg": ["ops.linalg", "ops"],
    "keras.src.backend.image": ["ops.image"],
    "keras.src.backend.random": ["random"],
}

# Public equivalents of internal names.
ALIASES = {
    "keras.src.backend.device_scope": "keras.device",
    "keras.src.saving.saving_lib.save_model": "keras.saving.save_model",
    "keras.src.saving.saving_lib.load_model": "keras.saving.load_model",
    "keras.src.saving.saving_lib.save_weights_only": "keras.saving.save_weights",
    "keras.src.saving.saving_lib.load_weights_only": "keras.saving.load_weights",
}

# Edits of upstream test text: (module, old, new).  Each must match.
PATCHES = [
    (
        "keras.src.trainers.trainer_test",
        'raise ImportError(f"Invalid backend: {backend.backend()}")',
        "from keras.src.trainers.trainer import Trainer",
    ),
    (
        "keras.src.trainers.trainer_test",
        "CPU_DEVICES[backend.backend()]",
        'CPU_DEVICES.get(backend.backend(), "cpu:0")',
    ),
]

# names of Missing placeholders used since the plugin last cleared the list
TOUCHED = []
# how many upstream files are being executed right now (import nesting)
LOADING = [0]


class MissingName(AttributeError):
    pass


def _raise_missing(text):
    TOUCHED.append(text)
    raise MissingName(text)


class Missing:
    """Placeholder for a name that cannot be provided; fails on use in a test."""

    def __init__(self, name, text):
        self.__dict__.update(__name__=name, __qualname__=name, _text=text, __module__="missing")

    def _derive(self, suffix):
        if foreign_stubs.IN_TEST[0]:
            _raise_missing(self._text)
        return Missing(suffix, self._text)

    def __getattr__(self, attr):
        if attr.startswith("__") and attr.endswith("__"):
            raise AttributeError(attr)
        return self._derive(attr)

    def __call__(self, *args, **kwargs):
        if (
            not foreign_stubs.IN_TEST[0]
            and len(args) == 1
            and not kwargs
            and isinstance(args[0], (type, types.FunctionType))
        ):
            return args[0]  # used as a decorator
        return self._derive("call")

    def __getitem__(self, key):
        return self._derive("item")

    def __mro_entries__(self, bases):
        text = self._text

        def __init__(obj, *a, **k):
            _raise_missing(text)

        return (type("MissingBase", (), {"__init__": __init__}),)

    def _fail(self, *a, **k):
        _raise_missing(self._text)

    __iter__ = __len__ = __enter__ = __add__ = __radd__ = __bool__ = _fail
    __mul__ = __rmul__ = __sub__ = __rsub__ = __lt__ = __gt__ = _fail
    __instancecheck__ = __subclasscheck__ = _fail

    def __exit__(self, *exc):
        return None

    def __repr__(self):
        return f"<missing: {self._text}>"


def _missing(name, text):
    """Answer an attribute access that cannot be met: a placeholder while an
    upstream file is being imported, else an error (recorded inside a test;
    elsewhere it is pytest probing for hooks such as `setup_module`)."""
    if foreign_stubs.IN_TEST[0]:
        _raise_missing(text)
    if LOADING[0]:
        return Missing(name, text)
    raise AttributeError(name)


class _Unfound(Exception):
    pass


class Upstream:
    """What the upstream source text says: files, bindings, public names."""

    def __init__(self, root):
        self.root = root
        self.public = {}  # (module, name) -> [public dotted names]
        self._bindings = {}
        self._read_api()
        # test files in folders that are not packages: pytest imports them by stem
        self.loose_tests = {}
        for d, _, files in os.walk(os.path.join(root, "keras", "src")):
            if "__init__.py" not in files:
                for f in files:
                    if f.endswith("_test.py"):
                        self.loose_tests[f[:-3]] = os.path.join(d, f)

    def path(self, mod):
        base = os.path.join(self.root, *mod.split("."))
        if os.path.isdir(base):
            return os.path.join(base, "__init__.py")
        return base + ".py" if os.path.exists(base + ".py") else None

    def is_package(self, mod):
        return os.path.isdir(os.path.join(self.root, *mod.split(".")))

    def _read_api(self):
        top = os.path.join(self.root, "keras", "api")
        for d, dirs, files in os.walk(top):
            dirs[:] = sorted(x for x in dirs if x != "_tf_keras")
            if "__init__.py" not in files:
                continue
            rel = os.path.relpath(d, top)
            space = "keras" if rel == "." else "keras." + rel.replace(os.sep, ".")
            with open(os.path.join(d, "__init__.py")) as f:
                for node in ast.parse(f.read()).body:
                    if isinstance(node, ast.ImportFrom) and node.module.startswith("keras.src"):
                        for al in node.names:
                            self.public.setdefault((node.module, al.name), []).append(f"{space}.{al.asname or al.name}")
        for key, names in self.public.items():
            # prefer the name that is spelt as in the source, then the shortest
            names.sort(
                key=lambda n: (
                    n.rsplit(".", 1)[1] != key[1],
                    ".legacy." in n or ".backend." in n,
                    n.count("."),
                    n,
                )
            )

    def bindings(self, mod):
        """Top-level names of a module: {name: (kind, ...)} and `import *` list."""
        if mod in self._bindings:
            return self._bindings[mod]
        names, stars = {}, []
        self._bindings[mod] = (names, stars)
        path = self.path(mod)
        if path is None or not os.path.exists(path):
            return names, stars
        with open(path) as f:
            tree = ast.parse(f.read())

        def visit(body):
            for node in body:
                if isinstance(node, ast.ImportFrom) and node.level == 0:
                    for al in node.names:
                        if al.name == "*":
                            stars.append(node.module)
                        else:
                            names[al.asname or al.name] = (
                                "from",
                                node.module,
                                al.name,
                            )
                elif isinstance(node, ast.Import):
                    for al in node.names:
                        if al.asname:
                            names[al.asname] = ("module", al.name)
                elif isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                    names[node.name] = ("def",)
                elif isinstance(node, ast.Assign):
                    for t in node.targets:
                        if isinstance(t, ast.Name):
                            names[t.id] = ("def",)
                            try:
                                value = ast.literal_eval(node.value)
                            except ValueError:
                                continue
                            if isinstance(value, (str, bytes, int, float, tuple)):
                                names[t.id] = ("const", value)
                elif isinstance(node, (ast.If, ast.Try)):
                    visit(node.body)
                    visit(getattr(node, "orelse", []))

        visit(tree.body)
        return names, stars

    def op_class(self, mod, name):
        """For an Operation class of keras.src.ops: the parameter names of its
        constructor, those of its `call` where they are not the first ones of the
        public function that uses it, those of the function that come before its
        `*inputs`, and the function's name."""
        path = self.path(mod)
        if path is None:
            return None
        with open(path) as f:
            body = ast.parse(f.read()).body
        cls = next((n for n in body if isinstance(n, ast.ClassDef) and n.name == name), None)
        if cls is None or not any(isinstance(b, ast.Name) and b.id == "Operation" for b in cls.bases):
            return None

        def param_names(fn):
            return [x.arg for x in fn.args.posonlyargs + fn.args.args]

        params = call = []
        vararg = False
        for n in cls.body:
            if isinstance(n, ast.FunctionDef) and n.name == "__init__":
                params = param_names(n)[1:]
            elif isinstance(n, ast.FunctionDef) and n.name == "call":
                call = param_names(n)[1:]
                vararg = n.args.vararg is not None
        users = []
        for fn in body:
            if isinstance(fn, ast.FunctionDef) and (mod, fn.name) in self.public:
                for n in ast.walk(fn):
                    if isinstance(n, ast.Call) and isinstance(n.func, ast.Name) and n.func.id == name:
                        users.append(fn)
                        break
        if not users:
            return None
        same = name.lower()
        users.sort(key=lambda fn: fn.name.replace("_", "") != same)
        first = param_names(users[0])
        by_name = call if first[: len(call)] != call and set(call) <= set(first) else []
        before = first if vararg and users[0].args.vararg is not None else []
        return params, by_name, before, users[0].name


class Shim:
    def __init__(self, keras_src, product, backend_name=None):
        self.up = Upstream(keras_src)
        self.product_name = product
        self.product = importlib.import_module(product)
        self.backend_name = backend_name or self._product_backend_name()
        self.adapters = self._make_adapters()
        self._ops = {}

    # -- product lookups ---------------------------------------------------

    def _product_backend_name(self):
        for path in ("backend.backend", "config.backend"):
            try:
                return self.product_get("keras." + path)()
            except _Unfound:
                pass
        return self.product_name.split(".")[0]

    def product_get(self, public):
        """The product's object for a public name such as `keras.layers.Dense`."""
        parts = public.split(".")
        assert parts[0] == "keras", public
        if parts[1:2] == ["api"]:  # `from keras.api import ops`
            del parts[1]
        obj, path = self.product, self.product_name
        for p in parts[1:]:
            path += "." + p
            try:
                obj = getattr(obj, p)
            except AttributeError:
                try:
                    obj = importlib.import_module(path)
                except ImportError:
                    raise _Unfound(public) from None
        return obj

    # -- resolution of keras.src names -------------------------------------

    def resolve(self, mod, name, _seen=None):
        """The object for attribute `name` of upstream module `mod`."""
        seen = _seen or set()
        if (mod, name) in seen:
            raise _Unfound(f"internal name {mod}.{name}")
        seen.add((mod, name))
        full = f"{mod}.{name}"

        if full in self.adapters:
            return self.adapters[full]()
        if full in ALIASES:
            return self._public_or_unfound([ALIASES[full]])
        if (mod, name) in self.up.public:
            return self._public_or_unfound(self.up.public[mod, name])

        if mod in INFRA:
            return getattr(importlib.import_module(mod), name)
        if full in BACKEND_SPACES:
            return importlib.import_module(full)
        if mod in BACKEND_SPACES and mod != "keras.src.backend":
            names, stars = {}, []
        else:
            names, stars = self.up.bindings(mod)
        if mod in BACKEND_SPACES:
            stars = []  # upstream's own backends are of no interest
        if name in names:
            kind = names[name]
            if kind[0] == "from" and kind[1].partition(".")[0] == "keras":
                src, orig = kind[1], kind[2]
                if src != mod or orig != name:
                    try:
                        return self.resolve(src, orig, seen)
                    except _Unfound as e:
                        if not str(e).startswith("internal"):
                            raise
            elif kind[0] == "from":
                return getattr(importlib.import_module(kind[1]), kind[2])
            elif kind[0] == "module" and not kind[1].startswith("keras"):
                return importlib.import_module(kind[1])
            elif kind[0] == "module":
                return importlib.import_module(kind[1])
            elif kind[0] == "const":
                return kind[1]
            elif mod.startswith("keras.src.ops."):
                op = self._op_adapter(mod, name)
                if op is not None:
                    return op
        for src in stars:
            if name.startswith("_") or not src.startswith("keras.src"):
                continue
            if name in self.up.bindings(src)[0]:
                try:
                    return self.resolve(src, name, seen)
                except _Unfound as e:
                    if not str(e).startswith("internal"):
                        raise
        if mod in BACKEND_SPACES:
            for space in BACKEND_SPACES[mod]:
                try:
                    return self.product_get(".".join(p for p in ("keras", space, name) if p))
                except _Unfound:
                    pass
        if self.up.path(full):
            return importlib.import_module(full)
        # the product may choose to offer more than upstream publishes
        top = mod.split(".")[2:3]
        if top and not name.startswith("_"):
            try:
                return self.product_get(f"keras.{top[0]}.{name}")
            except _Unfound:
                pass
        raise _Unfound(f"internal name {full}")

    def _op_adapter(self, mod, name):
        """`knp.Add().symbolic_call(x, y)` in terms of the public `ops.add`."""
        if (mod, name) not in self._ops:
            info = self.up.op_class(mod, name)
            if info is None:
                self._ops[mod, name] = None
            else:
                params, by_name, before, user = info
                fn = self._public_or_unfound(self.up.public[mod, user])
                self._ops[mod, name] = _make_op_class(name, params, by_name, before, fn, self._to_symbolic)
        return self._ops[mod, name]

    def _to_symbolic(self, x):
        """An eager tensor's spec; other things as they are."""
        get = self.product_get
        if isinstance(x, get("keras.KerasTensor")):
            return x
        if isinstance(x, get("keras.Variable")) or get("keras.ops.is_tensor")(x):
            dtype = get("keras.backend.standardize_dtype")(x.dtype)
            return get("keras.KerasTensor")(tuple(x.shape), dtype=dtype)
        if type(x) in (list, tuple):
            return type(x)(map(self._to_symbolic, x))
        return x

    def _public_or_unfound(self, publics):
        for p in publics:
            try:
                return self.product_get(p)
            except _Unfound:
                pass
        raise _Unfound(f"product lacks {publics[0]}")

    # -- adapters: internal names expressed through the public API ---------

    def _make_adapters(self):
        get = self.product_get
        ad = {}

        def adapter(*fulls, value=False):
            def deco(fn):
                fn = functools.lru_cache(None)(fn) if value else fn
                for full in fulls:
                    ad[full] = fn if value else (lambda fn=fn: fn)
                return fn

            return deco

        @adapter("keras.src.backend.config.backend", "keras.src.backend.backend")
        def backend():
            return self.backend_name

        def flag(name, default):
            def read():
                try:
                    return get(f"keras.backend.{name}")
                except _Unfound:
                    return default

            ad[f"keras.src.backend.{name}"] = read

        flag("SUPPORTS_SPARSE_TENSORS", False)
        flag("SUPPORTS_RAGGED_TENSORS", False)
        flag("SUPPORTS_COMPLEX_DTYPES", True)  # true of nearly all of Keras's backends
        flag("IS_THREAD_SAFE", True)

        @adapter(
            "keras.src.backend.get_keras_mask",
            "keras.src.backend.common.masking.get_keras_mask",
        )
        def get_keras_mask(x):
            try:
                return get("keras.backend.get_keras_mask")(x)
            except _Unfound:
                return getattr(x, "_keras_mask", None)

        @adapter(
            "keras.src.backend.set_keras_mask",
            "keras.src.backend.common.masking.set_keras_mask",
        )
        def set_keras_mask(x, mask):
            try:
                return get("keras.backend.set_keras_mask")(x, mask)
            except _Unfound:
                x._keras_mask = mask

        @adapter("keras.src.backend.compute_output_spec")
        def compute_output_spec(fn, *args, **kwargs):
            with get("keras.StatelessScope")(), get("keras.SymbolicScope")():
                return fn(*args, **kwargs)

        @adapter("keras.src.backend.random_seed_dtype")
        def random_seed_dtype():
            return get("keras.backend.standardize_dtype")(get("keras.random.SeedGenerator")(0).state.dtype)

        @adapter(
            "keras.src.backend.standardize_shape",
            "keras.src.backend.common.standardize_shape",
        )
        def standardize_shape(shape):
            return tuple(get("keras.KerasTensor")(shape).shape)

        @adapter(
            "keras.src.backend.standardize_data_format",
            "keras.src.backend.config.standardize_data_format",
        )
        def standardize_data_format(data_format):
            if data_format is None:
                return get("keras.config.image_data_format")()
            data_format = str(data_format).lower()
            if data_format not in ("channels_first", "channels_last"):
                raise ValueError(
                    "The `data_format` argument must be one of "
                    "{'channels_first', 'channels_last'}. "
                    f"Received: data_format={data_format}"
                )
            return data_format

        @adapter(
            "keras.src.models.functional.Functional",
            "keras.src.models.Functional",
            "keras.src.Functional",
            value=True,
        )
        def functional():
            x = get("keras.Input")((1,))
            return type(get("keras.Model")(x, x))

        @adapter("keras.src.trainers.trainer.Trainer", value=True)
        def trainer():
            for cls in get("keras.Model").__mro__:
                if "fit" in vars(cls):
                    return cls
            raise _Unfound("product lacks keras.Model.fit")

        @adapter("keras.src.testing.test_case.get_seed_generators")
        def get_seed_generators(layer):
            return _get_seed_generators(layer)

        # upstream's file helpers also know remote paths; tests need local ones
        for name, fn in {
            "join": os.path.join,
            "exists": os.path.exists,
            "isdir": os.path.isdir,
            "listdir": os.listdir,
            "remove": os.remove,
            "rmtree": shutil.rmtree,
            "copy": shutil.copy,
            "copytree": shutil.copytree,
            "makedirs": lambda p: os.makedirs(p, exist_ok=True),
            "File": open,
        }.items():
            ad[f"keras.src.utils.file_utils.{name}"] = lambda fn=fn: fn

        # what a list, dict ... becomes as a layer's attribute
        for name, value in {
            "TrackedList": [],
            "TrackedDict": {},
            "TrackedSet": set(),
            "TrackedOrderedDict": collections.OrderedDict(),
        }.items():

            def tracked(value=value):
                layer = get("keras.layers.Layer")()
                layer.attribute = value
                return type(layer.attribute)

            ad[f"keras.src.utils.tracking.{name}"] = tracked

        # functions behind public methods
        @adapter("keras.src.legacy.saving.legacy_h5_format.save_model_to_hdf5")
        def save_model_to_hdf5(model, filepath, *args, **kwargs):
            return model.save(filepath)

        @adapter("keras.src.legacy.saving.legacy_h5_format.load_model_from_hdf5")
        def load_model_from_hdf5(filepath, *args, **kwargs):
            return get("keras.saving.load_model")(filepath, *args, **kwargs)

        @adapter("keras.src.utils.summary_utils.print_summary")
        def print_summary(model, *args, **kwargs):
            return model.summary(*args, **kwargs)

        # tree_test.py runs each of its tests per implementation module: the
        # product's tree namespace takes the place of the optree one
        ad["keras.src.tree.optree_impl"] = lambda: get("keras.tree")
        ad["keras.src.utils.module_utils.optree"] = lambda: types.SimpleNamespace(available=True)
        for fw in (
            "dmtree flax gfile grain jax litert ocp onnx openvino scipy tensorflow "
            "tensorflow_io tf2onnx torch torch_xla"
        ).split():
            ad[f"keras.src.utils.module_utils.{fw}"] = lambda fw=fw: _Unavailable(fw)
        return ad


def _make_op_class(name, params, by_name, before, fn, to_symbolic):
    """A class that behaves like upstream's Operation class `name`: constructor
    arguments are keyword arguments of the public function `fn`, and so are the
    inputs where `fn` does not begin with them."""

    class Op:
        def __init__(self, *args, name=None, **kwargs):
            self.kwargs = dict(zip(params, args))
            self.kwargs.update(kwargs)

        def __call__(self, *args, **kwargs):
            kwargs = {**self.kwargs, **kwargs}
            if before:
                args = [kwargs.pop(p) for p in before if p in kwargs] + list(args)
            n = min(len(args), len(by_name))
            kwargs.update(zip(by_name, args))
            return fn(*args[n:], **kwargs)

        call = __call__

        def symbolic_call(self, *args, **kwargs):
            kwargs = {k: to_symbolic(v) for k, v in kwargs.items()}
            return self(*map(to_symbolic, args), **kwargs)

        compute_output_spec = symbolic_call

    Op.__name__ = Op.__qualname__ = name
    return Op


class _Unavailable(foreign_stubs.StubModule):
    """What `keras.src.utils.module_utils.<framework>` is to the tests."""

    available = False


def _get_seed_generators(layer):
    """As upstream's; for products without these private attributes, the states
    that are in `variables` but neither weights nor metric variables."""
    if hasattr(layer, "_flatten_layers"):
        out = {}
        for sub in layer._flatten_layers(True, True):
            for sg in sub._seed_generators:
                out[id(sg)] = sg
        return list(out.values())
    known = {id(v) for v in layer.weights}
    known |= {id(v) for m in getattr(layer, "metrics", []) for v in m.variables}
    return [v for v in layer.variables if id(v) not in known]


class ShimModule(types.ModuleType):
    def __getattr__(self, name):
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(name)
        shim = _shim
        try:
            obj = shim.resolve(self.__name__, name)
        except _Unfound as e:
            return _missing(name, str(e))  # not cached
        self.__dict__[name] = obj
        return obj


class ProductModule(types.ModuleType):
    """`keras` and `keras.x` where x is a namespace of the product."""

    def __getattr__(self, name):
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(name)
        try:
            obj = _shim.product_get(f"{self.__name__}.{name}")
        except _Unfound:
            return _missing(name, f"product lacks {self.__name__}.{name}")
        return obj


_shim = None


class _EmptyLoader(importlib.abc.Loader):
    def __init__(self, cls, filename, is_pkg):
        self.cls, self.filename, self.is_pkg = cls, filename, is_pkg

    def create_module(self, spec):
        mod = self.cls(spec.name)
        mod.__file__ = self.filename
        if self.is_pkg:
            mod.__path__ = []
        return mod

    def exec_module(self, module):
        pass


class _SourceLoader(importlib.machinery.SourceFileLoader):
    """Executes upstream text with stubs scoped in; no bytecode is cached."""

    def get_code(self, fullname):
        with open(self.path, encoding="utf-8") as f:
            text = f.read()
        for mod, old, new in PATCHES:
            if mod == fullname:
                assert old in text, f"patch does not apply: {fullname}"
                text = text.replace(old, new)
        return compile(text, self.path, "exec", dont_inherit=True)

    def exec_module(self, module):
        in_test, foreign_stubs.IN_TEST[0] = foreign_stubs.IN_TEST[0], False
        LOADING[0] += 1
        module.__dict__["__builtins__"] = foreign_stubs.scoped_builtins()
        try:
            exec(self.get_code(module.__name__), module.__dict__)
        finally:
            foreign_stubs.IN_TEST[0] = in_test
            LOADING[0] -= 1
        if module.__name__ == "keras.src.testing.test_case":
            module.get_seed_generators = _get_seed_generators
        if module.__name__ == "keras.src.backend.common.dtypes":
            for name in ("result_type",):
                try:
                    setattr(module, name, _shim.product_get(f"keras.backend.{name}"))
                except _Unfound:
                    pass


class _Finder(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        up = _shim.up
        if name in up.loose_tests:
            src = up.loose_tests[name]
            return importlib.util.spec_from_file_location(name, src, loader=_SourceLoader(name, src))
        if name != "keras" and not name.startswith("keras."):
            return None
        parts = name.split(".")
        if name == "keras" or not (name == "keras.src" or name.startswith("keras.src.")):
            if name == "keras.api":
                return self._spec(name, ProductModule, up.path("keras"), True)
            known = os.path.isdir(os.path.join(up.root, "keras", "api", *parts[1:]))
            try:
                _shim.product_get(name)
            except _Unfound:
                if not known:  # else its attributes will be Missing ones
                    raise ModuleNotFoundError(f"product lacks {name}", name=name) from None
            return self._spec(name, ProductModule, None, True)
        src = up.path(name)
        if name in INFRA or name.endswith("_test"):
            if src is None:
                raise ModuleNotFoundError(f"No module named {name!r}", name=name)
            spec = importlib.util.spec_from_file_location(
                name,
                src,
                loader=_SourceLoader(name, src),
                submodule_search_locations=[] if up.is_package(name) else None,
            )
            return spec
        if src is None and name not in BACKEND_SPACES:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return self._spec(name, ShimModule, src, up.is_package(name))

    def _spec(self, name, cls, filename, is_pkg):
        loader = _EmptyLoader(cls, filename, is_pkg)
        return importlib.machinery.ModuleSpec(name, loader, origin=filename, is_package=is_pkg)


def install(keras_src, product, backend_name=None):
    """Import the product, then take over the names `keras` and `keras.*`."""
    global _shim
    for name in list(sys.modules):
        if name == "keras" or name.startswith("keras."):
            raise RuntimeError(f"{name} is already imported")
    _shim = Shim(os.path.abspath(keras_src), product, backend_name)
    sys.meta_path.insert(0, _Finder())
    return _shim
