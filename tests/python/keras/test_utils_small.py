"""Config and get_source_inputs."""

import json

import pytest
from tahr import keras


def test_config():
    config = keras.utils.Config(rate=0.1)
    config.epochs = 3
    config["name"] = "a"
    assert config.as_dict() == {"rate": 0.1, "epochs": 3, "name": "a"} == json.loads(config.to_json())
    assert list(config) == ["epochs", "name", "rate"] and len(config) == 3 and "rate" in config and "x" not in config
    assert config.pop("name") == "a" and config.get("name", 7) == 7
    config.update(rate=0.2)
    del config["epochs"]
    assert dict(config.items()) == {"rate": 0.2}
    config.freeze()
    for change in (
        lambda: setattr(config, "rate", 1),
        lambda: config.update(rate=1),
        lambda: config.pop("rate"),
        lambda: config.__setitem__("rate", 1),
        lambda: config.__delitem__("rate"),
    ):
        with pytest.raises(ValueError, match=r"\[Config\] expected no changes.*unfreeze"):
            change()
    config.unfreeze()
    config.rate = 1
    assert config.rate == 1 and repr(config) == "<Config {'rate': 1}>"
    with pytest.raises(AttributeError, match="has no entry 'other'; there are"):
        config.other  # noqa: B018


def test_source_inputs():
    a, b = keras.Input((2,)), keras.Input((2,))
    x = keras.layers.Dense(2)(a)
    y = keras.layers.Add()([x, keras.layers.Concatenate()([b, a])[:, :2]])
    assert [id(t) for t in keras.utils.get_source_inputs(y)] == [id(a), id(b)]
    assert keras.utils.get_source_inputs(x)[0] is a and keras.utils.get_source_inputs(a) == [a]
