"""The backends that come with gcnn: `numpy` is the oracle; each other one answers to it."""

if __name__ != "gcnn.backends":
    raise ImportError("import gcnn.backends, not backends")
