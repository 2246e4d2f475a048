if __name__ != "gcnn.conformance":
    raise ImportError("import gcnn.conformance, not conformance")
