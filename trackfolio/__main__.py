"""`python -m trackfolio`: the command line."""

from trackfolio.cli import main

if __name__ == "__main__":
    main(prog_name="python -m trackfolio")
