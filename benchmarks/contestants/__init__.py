"""The contestants, each a module that runs as a process of its own.

``ours``
    :func:`simulacra.inference.fit` with its defaults, from the Parquet file.
``nuts``
    The same with ``engine="nuts"``.
``rowwise``
    A NumPyro model as one writes it by hand: one mixture likelihood a row, centred hierarchical effects, NUTS.
``pymc``
    PyMC with nutpie on our collapsed, marginalised posterior: same prior, same likelihood, same data.
``stepmix``
    StepMix, a latent class model by maximum likelihood, with its bootstrap.
"""
