"""`python -m gcnn.conformance`."""

import sys

from gcnn.conformance.command import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
