"""`python -m gcnn`: the same as the command `gcnn`."""

from gcnn.cli import main

if __name__ == "__main__":
    main(prog_name="python -m gcnn")
