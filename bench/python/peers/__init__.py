"""tahr beside its peers: the parts of `bench/python/compare.py`.

One measurement is one *work* done by one *contestant* in a process of its own.

    workloads.py   the works as plain data, and the data sets                      what is measured
    keras_api.py   tahr and Keras on its backends, one file for all: the same code
    torch_loop.py  PyTorch, written by hand
    jax_loop.py    JAX, written by hand: a jitted step, or a scan over the epoch   who does it
    worker.py      does one measurement and prints it as a line of JSON
    machine.py     the machine: quiet or not, its peak, memory of a process
    venvs.py       the contestants and where they are installed
    targets.py     what is expected of tahr, and whether a run meets it
    report.py      tables                          chart.py   the picture for docs/performance.md

A contestant's module has a class `Model(work, data, variant)` with `fit(on_epoch)`, which trains until `on_epoch(logs)`
returns True, and `one_row()`, calls to time by name; and a function `search(configs, x, y)`. To add a contestant, write
such a module and add a row to `venvs.CONTESTANTS`; to add a work, add a row in `workloads.py`.

All train on the same float32 data in batches drawn from a new random permutation every epoch, the last, smaller batch
included, from Glorot-uniform kernels and zero biases.
"""
