"""pytest plugin: upstream tests against the product named by CONF_PRODUCT."""

import os
import sys
import types

import foreign_stubs  # noqa: F401
import keras_shim
import pytest
from recorder import pytest_configure as _configure_recorder

try:  # registers bfloat16 etc. with numpy, which test files use by name
    import ml_dtypes  # noqa: F401
except ImportError:
    pass

keras_shim.install(
    os.environ["CONF_KERAS_SRC"],
    os.environ["CONF_PRODUCT"],
    os.environ.get("CONF_BACKEND_NAME") or None,
)


class Touched:
    """A test that used an unavailable name has not passed, whatever it says."""

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item):
        keras_shim.TOUCHED.clear()

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_call(self, item):
        out = yield
        if keras_shim.TOUCHED and out.excinfo is None:
            out.force_exception(keras_shim.MissingName(keras_shim.TOUCHED[0]))


def _skip_if_backend(name, reason):
    return pytest.mark.skipif(keras_shim._shim.backend_name == name, reason=reason)


# Takes the place of upstream's conftest.py (run with --noconftest).
_conftest = types.ModuleType("conftest")
_conftest.skip_if_backend = _skip_if_backend
sys.modules["conftest"] = _conftest


def pytest_collection_modifyitems(config, items):
    for item in items:
        if "multi_device" in item.keywords:
            item.add_marker(pytest.mark.skip(reason="Requires multiple devices"))


def pytest_configure(config):
    _configure_recorder(config)
    config.pluginmanager.register(Touched(), "conformance-touched")
