"""The contestants, each a module that runs as a separate process.

``ours``
    :func:`simulacra.inference.fit` with its defaults, from the Parquet file.
``nuts``
    The same with ``engine="nuts"``.
``gpu``
    The same with ``device="gpu"``.
``rowwise``
    A NumPyro model as one would write it by hand: one mixture likelihood per row, centred hierarchical effects, NUTS.
``pymc``
    PyMC with nutpie on the collapsed, marginalised posterior of the package: same prior, likelihood and data.
``stepmix``
    StepMix, a latent class model fitted by maximum likelihood, with its bootstrap.
"""
